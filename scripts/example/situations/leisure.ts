// Free time: restaurants, the cinema, presents, picnics.

import { COUNTS, DAYS, FIRST_NAMES, PRICES, TIMES, type Situation } from "../situation.ts";

const tableBooking: Situation = {
  topic: "table booking",
  about: "a table at a restaurant",
  register: "service",
  roles: { A: "the guest", B: "the waiter" },
  slots: { count: COUNTS, day: DAYS, time: TIMES, time2: TIMES },
  turns: [
    "B?: This is the Garden Restaurant. How can I help you? | Garden Restaurant, what can I do for you?",
    "A: I would like to book a table for {count}. | Can I reserve a table for {count} people? | I need a table for {count}, please.",
    "B: For which day? | When would you like to come? | And when is that?",
    "A: On {day} at {time}, please. | We would like to come on {day} at {time}.",
  ],
  endings: [
    {
      turns: [
        "B: That is fine. Your table is booked. | No problem, I have a table for you.",
        "A?: Great, we will be there. | Very good. See you then.",
      ],
      outcome: "the table is booked",
      summaries: [
        "{A} books a table for {count} on {day} at {time}.",
        "{A} calls the restaurant and gets a table for {count} people on {day} at {time}.",
        "{B} reserves a table for {count} at {time} on {day} for {A}.",
      ],
    },
    {
      turns: [
        "B: I am sorry, we are full at {time}. Is {time2} all right? | We have nothing at {time}, but {time2} is free.",
        "A: Yes, {time2} is fine too. | All right, then {time2}.",
      ],
      outcome: "the table is booked for another time",
      summaries: [
        "{A} wants a table at {time} on {day}, but takes one at {time2}.",
        "The restaurant is full at {time}, so {A} books a table for {count} at {time2}.",
        "{B} has no table at {time} on {day} and gives {A} one at {time2}.",
      ],
    },
    {
      turns: [
        "B: I am afraid we are closed on {day}. | We do not open on {day}, I am sorry.",
        "A: Oh, then we will go somewhere else. | What a pity. I will try another restaurant.",
      ],
      outcome: "the restaurant is closed",
      summaries: [
        "{A} cannot book a table because the restaurant is closed on {day}.",
        "{A} wants a table for {count} on {day}, but the restaurant is closed.",
        "{B} tells {A} that the restaurant is closed on {day}.",
      ],
    },
  ],
};

const cinema: Situation = {
  topic: "going to the cinema",
  about: "seeing a film together",
  register: "friends",
  roles: { A: "the one who asks", B: "the one who answers" },
  slots: {
    thing: ["a comedy", "a horror film", "a love story", "a war film", "a cartoon"],
    day: DAYS,
    time: TIMES,
    reason: [
      "have to work~has to work",
      "am ill~is ill",
      "have a test~has a test",
      "have no money~has no money",
    ],
  },
  turns: [
    "A: Would you like to go to the cinema on {day}? | Are you free on {day}? Let's see a film.",
    "B: What is on? | Which film do you want to see?",
    "A: There is {thing} at {time}. | They are showing {thing}. It starts at {time}.",
  ],
  endings: [
    {
      turns: [
        "B: I love that. I will come with you. | Great idea. Let's go.",
        "A: Good, I will buy the tickets. | Then I will get two tickets.",
      ],
      outcome: "the cinema together",
      summaries: [
        "{A} and {B} will see {thing} on {day} at {time}.",
        "{A} invites {B} to the cinema on {day} to see {thing}, and {B} agrees.",
        "{B} will go to the cinema with {A} on {day} at {time}.",
      ],
    },
    {
      turns: [
        "B: I am sorry, I can't. I {reason}. | I would love to, but I {reason}.",
        "A: What a pity. Maybe next time. | Never mind. I will ask my brother.",
      ],
      outcome: "no cinema",
      summaries: [
        "{A} invites {B} to the cinema on {day}, but {B} {reason}.",
        "{B} cannot see {thing} with {A} because {B} {reason}.",
        "{A} wants to see {thing} with {B}, who {reason}.",
      ],
    },
  ],
};

const birthday: Situation = {
  topic: "birthday present",
  about: "a present for a birthday",
  register: "friends",
  roles: { A: "the one who asks", B: "the one who helps" },
  slots: {
    name: FIRST_NAMES,
    day: DAYS,
    thing: ["a book", "a watch", "a scarf", "a camera", "a football", "a plant", "a guitar"],
    thing2: ["a cake", "some flowers", "a balloon", "a card"],
    price: PRICES,
  },
  turns: [
    "A: It is {name}'s birthday on {day}. What can I buy? | {name} has a birthday on {day}. I need a present.",
    "B: What does {name} like? | How much can you spend?",
    "A: I am not sure. I have {price}. | I can spend {price}.",
    "B: Then buy {thing}. | How about {thing}? | Why don't you get {thing}?",
  ],
  endings: [
    {
      turns: ["A: That is a good idea. I will do that. | Perfect. I will buy it tomorrow."],
      outcome: "the present is found",
      summaries: [
        "{A} will buy {thing} for {name}'s birthday on {day}.",
        "{B} helps {A} to find a present for {name}, and {A} will buy {thing}.",
        "{A} has {price} and will get {thing} for {name}.",
      ],
    },
    {
      turns: [
        "A: {name} has that already. | No, {name} would not like it.",
        "B: Then just bring {thing2}. | Well, everybody likes {thing2}.",
        "A: You are right. I will bring {thing2}. | Yes, {thing2} is better.",
      ],
      outcome: "another present is found",
      summaries: [
        "{A} will bring {thing2} to {name}'s birthday on {day}.",
        "{B} suggests {thing}, but {A} decides on {thing2} for {name}.",
        "{A} does not want to give {name} {thing} and chooses {thing2}.",
      ],
    },
    {
      turns: [
        "C: I want to give something too. Let's buy it together. | Can I share the present with you?",
        "A: Yes, let's do it together. | Sure, that is cheaper for us.",
      ],
      outcome: "the present is shared",
      summaries: [
        "{A} and {C} will buy {thing} together for {name}'s birthday.",
        "{B} suggests {thing} for {name}, and {A} shares the present with {C}.",
        "{C} will share the present for {name} with {A}.",
      ],
    },
  ],
};

const picnic: Situation = {
  topic: "picnic plans",
  about: "a picnic",
  register: "friends",
  roles: { A: "the one who plans", B: "the one who answers" },
  slots: {
    place: ["the park", "the lake", "the river", "the beach", "the forest", "the zoo"],
    day: DAYS,
    day2: DAYS,
    dish: ["sandwiches", "a salad", "a cake", "some fruit", "cold chicken"],
  },
  turns: [
    "A: Let's have a picnic at {place} on {day}. | Shall we have a picnic at {place} on {day}?",
    "B: That sounds nice. What shall I bring? | I would love that. Can I bring something?",
    "A: Please bring {dish}. | You could make {dish}.",
  ],
  endings: [
    {
      turns: ["B: All right, I will bring {dish}. | Good, {dish} it is."],
      outcome: "the picnic is booked",
      summaries: [
        "{A} and {B} will have a picnic at {place} on {day}.",
        "{A} plans a picnic at {place}, and {B} will bring {dish}.",
        "{B} will bring {dish} to the picnic on {day}.",
      ],
    },
    {
      turns: [
        "B: Wait, it will rain on {day}. | But the radio says it will rain on {day}.",
        "A: Oh no. What about {day2}? | Then let's go on {day2}.",
        "B: Yes, {day2} is better. | Fine, I am free on {day2}.",
      ],
      outcome: "rain, another day for the picnic",
      summaries: [
        "{A} and {B} move the picnic from {day} to {day2} because of the rain.",
        "It will rain on {day}, so {A} and {B} will have the picnic at {place} on {day2}.",
        "{B} says it will rain on {day}, so {A} plans the picnic for {day2}.",
      ],
    },
  ],
};

export const LEISURE = [tableBooking, cinema, birthday, picnic];
