// On a journey: holidays, luggage, hotels, trains.

import {
  CITIES,
  COLOURS,
  COUNTS,
  DAYS,
  FIRST_NAMES,
  PRICES,
  TIMES,
  type Situation,
} from "../situation.ts";

const holiday: Situation = {
  topic: "holiday plans",
  about: "a holiday",
  register: "friends",
  roles: { A: "the one who asks", B: "the one who travels" },
  slots: {
    city: CITIES,
    count: COUNTS,
    name: FIRST_NAMES,
    reason: [
      "see the museums",
      "learn the language",
      "visit an uncle",
      "try the food",
      "go to a wedding",
    ],
    thing: ["train", "car", "plane", "bus"],
  },
  turns: [
    "A: Where will you go for your holiday? | What are your plans for the holiday?",
    "B: I am going to {city} for {count} days. | I will spend {count} days in {city}.",
    "A: Will you go alone? | Who is going with you?",
    "B: No, with {name}. We want to {reason}. | {name} is coming too, and we will {reason}.",
  ],
  endings: [
    {
      turns: [
        "A: Will you fly? | How will you get there?",
        "B: We will go by {thing}. | By {thing}, it is cheap.",
      ],
      outcome: "the trip is booked",
      summaries: [
        "{B} is going to {city} with {name} by {thing}.",
        "{B} tells {A} that {B} and {name} will travel to {city} by {thing} to {reason}.",
        "{B} and {name} will spend {count} days in {city}.",
      ],
    },
    {
      turns: [
        "A: Please send me a postcard. | Will you bring me something?",
        "B: Of course I will. | Sure, I promise.",
      ],
      outcome: "the trip and a postcard",
      summaries: [
        "{B} is going to {city} with {name} for {count} days to {reason}.",
        "{B} and {name} will go to {city} to {reason}.",
        "{A} hears that {B} will be in {city} for {count} days with {name}.",
      ],
    },
  ],
};

const lostSuitcase: Situation = {
  topic: "lost luggage",
  about: "lost luggage",
  register: "service",
  roles: { A: "the passenger", B: "the clerk" },
  slots: {
    colour: COLOURS,
    thing: ["suitcase", "bag", "backpack", "box"],
    city: CITIES,
    place: ["hotel", "office", "house"],
    day: DAYS,
  },
  turns: [
    "A: I can't find my {thing}. | My {thing} has not arrived.",
    "B: Where did you come from? | Which flight were you on?",
    "A: I came from {city}. | I was on the flight from {city}.",
    "B: And what colour is it? | What does the {thing} look like?",
    "A: It is {colour}. | It is a {colour} one.",
  ],
  endings: [
    {
      turns: [
        "B: We have found it. We will bring it to your {place}. | It is on the next plane. We will send it to your {place}.",
        "A?: Thank goodness. | I am so glad.",
      ],
      outcome: "the luggage is found",
      summaries: [
        "{A} lost a {colour} {thing}, and {B} will send it to {A}'s {place}.",
        "{B} finds the {colour} {thing} and will bring it to the {place} of {A}.",
        "{A}'s {thing} from {city} will be sent to the {place}.",
      ],
    },
    {
      turns: [
        "B: We will look for it. Please fill in this form. | Please write down your address. We will call you on {day}.",
        "A: I hope you find it soon. | I need it very much.",
      ],
      outcome: "the luggage is not found",
      summaries: [
        "{A} lost a {colour} {thing} on the flight from {city}, and {B} will look for it.",
        "{A}'s {colour} {thing} did not arrive from {city}.",
        "{B} will look for the {thing} that {A} lost.",
      ],
    },
  ],
};

const hotel: Situation = {
  topic: "hotel room",
  about: "a hotel room",
  register: "service",
  roles: { A: "the guest", B: "the receptionist" },
  slots: {
    number: ["12", "24", "31", "47", "58", "63", "75", "86"],
    number2: ["12", "24", "31", "47", "58", "63", "75", "86"],
    reason: ["too noisy", "too cold", "too small", "too dark", "dirty"],
    thing: ["the shower", "the heating", "the light", "the window", "the television"],
  },
  turns: [
    "B?: What can I do for you? | How can I help you?",
    "A: I have a problem with room {number}. | There is something wrong with my room. It is number {number}.",
    "B: I am sorry to hear that. What is wrong? | Oh, what is the problem?",
  ],
  endings: [
    {
      turns: [
        "A: The room is {reason}. | It is {reason}, I can't sleep.",
        "B: You can have room {number2} instead. | Then I will give you room {number2}.",
      ],
      outcome: "another room is offered",
      summaries: [
        "{A}'s room is {reason}, so {B} gives {A} room {number2}.",
        "{A} moves from room {number} to room {number2} because it is {reason}.",
        "{B} gives {A} another room because room {number} is {reason}.",
      ],
    },
    {
      turns: [
        "A: {thing} does not work. | I think {thing} is broken.",
        "B: I will send somebody at once. | We will repair it right now.",
      ],
      outcome: "the room will be repaired",
      summaries: [
        "{thing} in room {number} is broken, and {B} will send somebody.",
        "{A} says that {thing} does not work, and {B} will have it repaired.",
        "{B} will send somebody to repair {thing} in {A}'s room.",
      ],
    },
  ],
};

const trainTicket: Situation = {
  topic: "train ticket",
  about: "a train ticket",
  register: "service",
  roles: { A: "the traveller", B: "the clerk" },
  slots: {
    city: CITIES,
    day: DAYS,
    time: TIMES,
    price: PRICES,
    place: ["platform two", "platform five", "platform nine"],
  },
  turns: [
    "A: A ticket to {city}, please. | I need a ticket to {city}.",
    "B: When do you want to travel? | For what day?",
    "A: On {day}. | I have to go on {day}.",
  ],
  endings: [
    {
      turns: [
        "B: There is a train at {time}. It costs {price}. | You can take the train at {time} for {price}.",
        "A: I will take it. | That is fine. Here is the money.",
        "B?: It leaves from {place}. | Go to {place}, please.",
      ],
      outcome: "the train is taken",
      summaries: [
        "{A} buys a train ticket to {city} on {day} for {price}.",
        "{B} sells {A} a ticket for the train to {city} at {time} on {day}.",
        "{A} will take the train to {city} at {time} on {day}.",
      ],
    },
    {
      turns: [
        "B: I am sorry, there are no trains on {day}. | There is a strike on {day}, so no trains go.",
        "A: Then I will take the bus. | Well, then I must go by bus.",
      ],
      outcome: "the bus is taken",
      summaries: [
        "{A} will go to {city} by bus because there are no trains on {day}.",
        "There is no train to {city} on {day}, so {A} takes the bus.",
        "{B} tells {A} that no trains go to {city} on {day}.",
      ],
    },
  ],
};

export const TRAVEL = [holiday, lostSuitcase, hotel, trainTicket];
