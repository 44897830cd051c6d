// At home: dinner, moving, renting, neighbours.

import { DAYS, TIMES, type Situation } from "../situation.ts";

const cooking: Situation = {
  topic: "cooking dinner",
  about: "dinner",
  register: "friends",
  roles: { A: "the cook", B: "the hungry one" },
  slots: {
    dish: ["soup", "pasta", "rice", "fish", "curry", "pancakes"],
    thing: ["salt", "butter", "eggs", "onions", "milk", "cheese"],
    time: TIMES,
  },
  turns: [
    "B: I am hungry. What is for dinner? | What are we going to eat tonight?",
    "A: I am making {dish}, but there is no {thing}. | I want to cook {dish}, but we have no {thing}.",
  ],
  endings: [
    {
      turns: [
        "B: I can go to the shop. | I will go and buy some.",
        "A: Thank you. We will eat at {time}. | Good. Then dinner is at {time}.",
      ],
      outcome: "the shop is open",
      summaries: [
        "{A} is cooking {dish}, and {B} goes to buy {thing}.",
        "{B} will buy {thing} for {A}, and dinner is at {time}.",
        "{A} has no {thing} for the {dish}, so {B} goes to the shop.",
      ],
    },
    {
      turns: [
        "B: The shop is closed now. Let's order pizza. | It is too late for the shop. How about pizza?",
        "A: All right, pizza is fine. | Yes, you order it, please.",
      ],
      outcome: "pizza is ordered",
      summaries: [
        "{A} has no {thing} for the {dish}, so {A} and {B} order pizza.",
        "{A} and {B} order pizza because there is no {thing}.",
        "{B} suggests pizza, as {A} cannot cook {dish} without {thing}.",
      ],
    },
  ],
};

const moving: Situation = {
  topic: "moving house",
  about: "moving to a new flat",
  register: "friends",
  roles: { A: "the one who moves", B: "the one who is asked" },
  slots: {
    day: DAYS,
    time: TIMES,
    thing: ["the sofa", "the piano", "the fridge", "the table", "the boxes"],
    reason: [
      "have a bad back~has a bad back",
      "must visit my mother~must visit a mother",
      "have to work~has to work",
    ],
  },
  turns: [
    "A: I am moving to a new flat on {day}. | On {day} I move to my new flat.",
    "B: That is exciting. Do you need help? | Really? Is it a lot of work?",
    "A: Yes, can you carry {thing} with me? | Could you help me with {thing}?",
  ],
  endings: [
    {
      turns: [
        "B: Of course. I will come at {time}. | Yes, I can be there at {time}.",
        "A: You are a good friend. | I will make lunch for us.",
      ],
      outcome: "help is promised",
      summaries: [
        "{B} will help {A} to carry {thing} on {day} at {time}.",
        "{A} moves to a new flat on {day}, and {B} will help.",
        "{B} comes at {time} to help {A} with {thing}.",
      ],
    },
    {
      turns: [
        "B: I am sorry, I {reason}. | I would, but I {reason}.",
        "A: I understand. I will ask somebody else. | Don't worry, I will find somebody.",
      ],
      outcome: "no help",
      summaries: [
        "{B} cannot help {A} to move on {day} because {B} {reason}.",
        "{A} needs help with {thing}, but {B} {reason}.",
        "{A} asks {B} for help with {thing} on {day}, but {B} {reason}.",
      ],
    },
    {
      turns: [
        "B: I {reason}, I am sorry. | I can't. I {reason}.",
        "C: But I can help you. I have a big car. | I will do it. We can use my car.",
        "A: Great, then come at {time}. | Thank you! Let's start at {time}.",
      ],
      outcome: "a third person can help",
      summaries: [
        "{B} {reason}, but {C} will help {A} with {thing} on {day}.",
        "{C} will help {A} to move on {day} at {time}.",
        "{A} moves on {day}, and {C} helps with a big car.",
      ],
    },
  ],
};

const renting: Situation = {
  topic: "renting a flat",
  about: "a flat",
  register: "service",
  roles: { A: "the tenant", B: "the owner" },
  slots: {
    count: ["two", "three", "four"],
    price: [
      "300 dollars",
      "400 dollars",
      "500 dollars",
      "600 dollars",
      "700 dollars",
      "800 dollars",
    ],
    thing: ["a garden", "a balcony", "a garage", "a new kitchen"],
    day: DAYS,
    reason: [
      "too far from my office~too far away",
      "too dark for me~too dark",
      "too loud for me~too loud",
    ],
  },
  turns: [
    "A: Is the flat still free? | I have come to see the flat.",
    "B: Yes, it has {count} rooms and {thing}. | Come in. There are {count} rooms and {thing}.",
    "A: What is the rent? | How much is it a month?",
    "B: {price} a month. | The rent is {price}.",
  ],
  endings: [
    {
      turns: [
        "A: I like it. I will take it. | It is perfect for me.",
        "B: You can move in on {day}. | Then here is the key. You can come on {day}.",
      ],
      outcome: "the flat is taken",
      summaries: [
        "{A} rents a flat with {count} rooms for {price} a month.",
        "{A} takes the flat with {thing} and can move in on {day}.",
        "{B} rents a flat with {thing} to {A} for {price}.",
      ],
    },
    {
      turns: [
        "A: It is nice, but it is {reason}. | I am afraid it is {reason}.",
        "B: I see. That is a pity. | Well, think about it.",
      ],
      outcome: "the flat is not taken",
      summaries: [
        "{A} does not take the flat because it is {reason}.",
        "{B} shows {A} a flat for {price}, but it is {reason}.",
        "The flat with {count} rooms is {reason} for {A}.",
      ],
    },
  ],
};

const neighbour: Situation = {
  topic: "noisy neighbour",
  about: "noise",
  register: "friends",
  roles: { A: "the one who complains", B: "the neighbour" },
  slots: {
    thing: [
      "the music",
      "your dog~the dog",
      "the drums",
      "the party",
      "your television~the television",
    ],
    time: TIMES,
    day: DAYS,
  },
  turns: [
    "A: Excuse me, I could not sleep because of {thing}. | I have to talk to you about {thing}. It is too loud.",
    "B: Really? When was that? | Oh, was it so bad?",
    "A: It was on {day} at {time}. | Yes, on {day} I was awake until {time}.",
  ],
  endings: [
    {
      turns: [
        "B: I am so sorry. I will be quiet. | Please forgive me. It will not happen again.",
        "A: Thank you, that helps. | I am glad that you understand.",
      ],
      outcome: "sorry about the noise",
      summaries: [
        "{A} could not sleep on {day} because of {thing}, and {B} says sorry.",
        "{A} complains about {thing}, and {B} promises to be quiet.",
        "{B} says sorry to {A} for {thing}, which was too loud.",
      ],
    },
    {
      turns: [
        "B: I can do what I want in my home. | That is not my problem.",
        "A: Then I will call the police. | Then I have to speak to the landlord.",
      ],
      outcome: "angry about the noise",
      summaries: [
        "{A} complains about {thing}, but {B} does not care.",
        "{B} does not care that {A} could not sleep because of {thing}.",
        "{A} is angry with {B} because of {thing} on {day}.",
      ],
    },
  ],
};

export const HOME = [cooking, moving, renting, neighbour];
