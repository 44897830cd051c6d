// Errands: clothes, the doctor, the bank, repairs, the hairdresser.

import { COLOURS, COUNTS, DAYS, FIRST_NAMES, PRICES, TIMES, type Situation } from "../situation.ts";

const clothes: Situation = {
  topic: "buying clothes",
  about: "clothes",
  register: "service",
  roles: { A: "the customer", B: "the shop assistant" },
  slots: {
    thing: ["shirt", "coat", "skirt", "dress", "sweater", "hat"],
    colour: COLOURS,
    colour2: COLOURS,
    price: PRICES,
  },
  turns: [
    "B?: Are you looking for something? | May I help you?",
    "A: I am looking for a {colour} {thing}. | Do you have a {thing} in {colour}?",
  ],
  endings: [
    {
      turns: [
        "B: Yes, this one is {price}. | Here is one for {price}.",
        "A: It is beautiful. I will buy it. | It fits me well. I will take it.",
      ],
      outcome: "it is bought",
      summaries: [
        "{A} buys a {colour} {thing} for {price}.",
        "{B} sells {A} a {colour} {thing} for {price}.",
        "{A} finds a {colour} {thing} and pays {price} for it.",
      ],
    },
    {
      turns: [
        "B: We have this one for {price}. | This is a nice one. It is {price}.",
        "A: That is too expensive for me. | Oh no, I can't pay so much.",
      ],
      outcome: "it is too expensive",
      summaries: [
        "{A} does not buy the {colour} {thing} because {price} is too expensive.",
        "{A} wants a {colour} {thing}, but {price} is too much.",
        "{B} offers {A} a {thing} for {price}, which is too expensive.",
      ],
    },
    {
      turns: [
        "B: I am sorry, we only have it in {colour2}. | There is only a {colour2} one left.",
        "A: I will take the {colour2} one then. | Well, {colour2} is nice too. I will buy it.",
      ],
      outcome: "another colour is bought",
      summaries: [
        "{A} wants a {colour} {thing} but buys a {colour2} one.",
        "There is no {colour} {thing}, so {A} takes a {colour2} one.",
        "{B} has no {colour} {thing} and sells {A} a {colour2} one.",
      ],
    },
  ],
};

const doctor: Situation = {
  topic: "seeing a doctor",
  about: "an illness",
  register: "service",
  roles: { A: "the patient", B: "the doctor" },
  slots: {
    thing: ["a headache", "a fever", "a cough", "a toothache", "a sore throat", "a cold"],
    count: COUNTS,
    dish: [
      "these pills~some pills",
      "this tea~some tea",
      "this medicine~some medicine",
      "these drops~some drops",
    ],
    day: DAYS,
  },
  turns: [
    "B?: What is the matter? | How do you feel?",
    "A: I have {thing}. | I feel bad, I have {thing}.",
    "B: Since when? | How long have you had it?",
    "A: For {count} days. | It began {count} days ago.",
  ],
  endings: [
    {
      turns: [
        "B: Take {dish} and stay in bed. | You should take {dish} and rest.",
        "A: I will do that. | All right, doctor.",
      ],
      outcome: "medicine is offered",
      summaries: [
        "{A} has had {thing} for {count} days, and {B} gives {A} {dish}.",
        "{B} tells {A}, who has {thing}, to take {dish} and rest.",
        "{A} has {thing} and should take {dish}.",
      ],
    },
    {
      turns: [
        "B: I need to test your blood. Come back on {day}. | We have to do some tests. Please come on {day}.",
        "A: Is it something bad? | Do I have to be afraid?",
        "B: I don't think so. | No, don't worry.",
      ],
      outcome: "some tests are needed",
      summaries: [
        "{A} has {thing} and must come back on {day} for some tests.",
        "{B} wants to test {A}, who has had {thing} for {count} days.",
        "{A} has to come back to {B} on {day} because of {thing}.",
      ],
    },
  ],
};

const bank: Situation = {
  topic: "lost bank card",
  about: "a bank card",
  register: "service",
  roles: { A: "the customer", B: "the bank clerk" },
  slots: {
    place: ["the station", "the market", "the pool", "the theatre", "the cafe"],
    day: DAYS,
    day2: DAYS,
    price: PRICES,
  },
  turns: [
    "A: I have lost my bank card. | My bank card is gone.",
    "B: Where did you lose it? | When did you see it last?",
    "A: At {place} on {day}. | I think it was on {day} at {place}.",
  ],
  endings: [
    {
      turns: [
        "B: I will stop the card. You will get a new one on {day2}. | We will block it. A new card will come on {day2}.",
        "A?: What does it cost? | Thank you for your help.",
      ],
      outcome: "a new card will come",
      summaries: [
        "{A} lost a bank card at {place} and will get a new one on {day2}.",
        "{B} stops the card that {A} lost at {place} on {day}.",
        "{A} will get a new bank card on {day2}.",
      ],
    },
    {
      turns: [
        "B: Somebody has found it and brought it here. | Good news. We have your card here.",
        "A: What luck! I am so happy. | I can't believe it. How kind!",
      ],
      outcome: "the card was found",
      summaries: [
        "{A} lost a bank card at {place}, but somebody has found it.",
        "{B} has the bank card that {A} lost on {day}.",
        "Somebody has brought {A}'s card, lost at {place}, to the bank.",
      ],
    },
  ],
};

const laptop: Situation = {
  topic: "broken laptop",
  about: "a broken computer",
  register: "service",
  roles: { A: "the customer", B: "the technician" },
  slots: {
    thing: ["screen", "keyboard", "battery", "fan", "camera"],
    price: PRICES,
    day: DAYS,
    reason: [
      "I dropped it~it fell down",
      "I spilled tea on it~tea was spilled on it",
      "my cat sat on it~a cat sat on it",
    ],
  },
  turns: [
    "A: My laptop is broken. The {thing} does not work. | The {thing} of my laptop is broken.",
    "B: How did that happen? | What have you done with it?",
    "A: I am afraid {reason}. | Well, {reason}.",
    "B: A new {thing} is {price}. | That will be {price} for a new {thing}.",
  ],
  endings: [
    {
      turns: [
        "A: Please repair it. | All right, do it.",
        "B: It will be ready on {day}. | You can have it back on {day}.",
      ],
      outcome: "the laptop will be repaired",
      summaries: [
        "{B} will repair the {thing} of {A}'s laptop by {day} for {price}.",
        "The {thing} of {A}'s laptop is broken because {reason}.",
        "{A}'s laptop gets a new {thing} and will be ready on {day}.",
      ],
    },
    {
      turns: [
        "A: Then I would rather buy a new laptop. | No, I will get a new one.",
        "B: We have very good ones here. | I can show you some.",
      ],
      outcome: "a new laptop is bought",
      summaries: [
        "{A} will buy a new laptop because the {thing} is broken.",
        "The new {thing} costs {price}, so {A} wants another laptop.",
        "{A} does not want to pay {price} for a new {thing}.",
      ],
    },
  ],
};

const haircut: Situation = {
  topic: "haircut",
  about: "a haircut",
  register: "service",
  roles: { A: "the customer", B: "the hairdresser" },
  slots: { day: DAYS, time: TIMES, time2: TIMES, name: FIRST_NAMES, price: PRICES },
  turns: [
    "A: I need a haircut. Are you free on {day}? | Can you cut my hair on {day}?",
    "B: Yes, at {time}. | I have time at {time}.",
  ],
  endings: [
    {
      turns: [
        "A: Very good. How much is it? | What will it cost?",
        "B: It is {price}. | You pay {price}.",
      ],
      outcome: "the haircut is booked",
      summaries: [
        "{A} will have a haircut on {day} at {time} for {price}.",
        "{B} will cut {A}'s hair on {day} at {time}.",
        "{A} will pay {price} for a haircut on {day}.",
      ],
    },
    {
      turns: [
        "A: That does not suit me. Can I come at {time2}? | I am at work then. Is {time2} possible?",
        "B: Then {name} will cut your hair. | {name} has time then.",
      ],
      outcome: "somebody has time",
      summaries: [
        "{name} will cut {A}'s hair on {day} at {time2}.",
        "{A} will come for a haircut at {time2} on {day}.",
        "{B} has no time at {time2}, so {name} will cut {A}'s hair.",
      ],
    },
  ],
};

export const ERRANDS = [clothes, doctor, bank, laptop, haircut];
