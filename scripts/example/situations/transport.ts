// In town and by post: taxis, cars, parcels.

import { CITIES, COUNTS, DAYS, PRICES, TIMES, type Situation } from "../situation.ts";

const taxi: Situation = {
  topic: "taking a taxi",
  about: "a taxi ride",
  register: "service",
  roles: { A: "the passenger", B: "the driver" },
  slots: {
    place: [
      "the airport",
      "the station",
      "the museum",
      "the hospital",
      "the university",
      "the harbour",
    ],
    time: TIMES,
    price: PRICES,
    reason: [
      "my train leaves~the train leaves",
      "my class begins~the class begins",
      "my plane leaves~the plane leaves",
    ],
  },
  turns: [
    "B?: Where to? | Where would you like to go?",
    "A: To {place}, please. | Please take me to {place}.",
    "B: That will be {price}. | It costs {price} to go there.",
    "A: All right. Can we be there at {time}? | Fine. I must be there before {time}.",
  ],
  endings: [
    {
      turns: [
        "B: No problem, the roads are empty. | Don't worry, we have enough time.",
        "A: Very good. | That is good news.",
      ],
      outcome: "the taxi is taken",
      summaries: [
        "{A} takes a taxi to {place} for {price}.",
        "{B} drives {A} to {place}, where {A} must be at {time}.",
        "{A} pays {price} for a taxi to {place} and will be there at {time}.",
      ],
    },
    {
      turns: [
        "B: That is hard, there is too much traffic. | I am not sure, the traffic is very bad.",
        "A: But {reason} then! Then I will take the underground. | Oh no, {reason} then! I will walk.",
      ],
      outcome: "too much traffic for the taxi",
      summaries: [
        "{A} does not take the taxi to {place} because of the traffic.",
        "{A} wants to be at {place} at {time}, but the traffic is bad.",
        "{B} cannot bring {A} to {place} before {time} because of the traffic.",
      ],
    },
  ],
};

const carRepair: Situation = {
  topic: "car repair",
  about: "a broken car",
  register: "service",
  roles: { A: "the driver", B: "the mechanic" },
  slots: {
    thing: ["engine", "door", "mirror", "horn", "battery"],
    price: PRICES,
    day: DAYS,
    reason: [
      "I need it for work~it is needed for work",
      "I have a long trip~a long trip is coming",
    ],
  },
  turns: [
    "A: Something is wrong with my car. | My car needs a repair.",
    "B: Let me see. It is the {thing}. | I have looked at it. The {thing} is broken.",
    "A: How much will it cost? | Is it expensive?",
    "B: About {price}. | You must pay {price}.",
  ],
  endings: [
    {
      turns: [
        "A: Please repair it. When can I have it back? | All right. When will it be ready?",
        "B: On {day}. | You can fetch it on {day}.",
      ],
      outcome: "the car will be repaired",
      summaries: [
        "{B} will repair the {thing} of {A}'s car for {price} by {day}.",
        "{A}'s car has a broken {thing} and will be ready on {day}.",
        "{A} pays {price} for a new {thing} and gets the car back on {day}.",
      ],
    },
    {
      turns: [
        "A: That is too much. I will sell the car. | No, I would rather buy a new car.",
        "B?: As you like. | I understand.",
      ],
      outcome: "the car is not repaired",
      summaries: [
        "{A} does not want to pay {price} for the {thing} of the car.",
        "The {thing} of {A}'s car is broken, but {price} is too much for {A}.",
        "{B} wants {price} to repair the {thing}, which {A} finds too expensive.",
      ],
    },
  ],
};

const parcel: Situation = {
  topic: "sending a parcel",
  about: "a parcel",
  register: "service",
  roles: { A: "the sender", B: "the post clerk" },
  slots: {
    city: CITIES,
    thing: ["glasses", "books", "shoes", "letters", "toys"],
    price: PRICES,
    price2: PRICES,
    count: COUNTS,
    day: DAYS,
  },
  turns: [
    "A: I want to send this parcel to {city}. | This must go to {city}, please.",
    "B: What is in it? | Can you tell me what is inside?",
    "A: Only {thing}. | There are {thing} in it.",
    "B: It takes {count} days and costs {price}. | That is {price}. It will be there in {count} days.",
  ],
  endings: [
    {
      turns: ["A: Good, here you are. | That is all right with me."],
      outcome: "the parcel is sent",
      summaries: [
        "{A} sends a parcel with {thing} to {city} for {price}.",
        "{A} pays {price} to send {thing} to {city} in {count} days.",
        "{B} takes {A}'s parcel to {city}, which costs {price}.",
      ],
    },
    {
      turns: [
        "A: That is too slow. It has to be there on {day}. | Too late! They need it on {day}.",
        "B: Then it is {price2}. | We can do that for {price2}.",
      ],
      outcome: "the parcel is sent at once",
      summaries: [
        "{A} pays {price2} to have {thing} in {city} on {day}.",
        "{A}'s parcel must be in {city} on {day}, which costs {price2}.",
        "{B} will send {A}'s {thing} to {city} by {day} for {price2}.",
      ],
    },
  ],
};

export const TRANSPORT = [taxi, carRepair, parcel];
