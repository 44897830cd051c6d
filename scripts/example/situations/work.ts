// At work: interviews, being late, meetings, phone calls.

import { CITIES, COUNTS, DAYS, FIRST_NAMES, TIMES, type Situation } from "../situation.ts";

const interview: Situation = {
  topic: "job interview",
  about: "a job",
  register: "service",
  roles: { A: "the applicant", B: "the manager" },
  slots: {
    thing: ["driver", "nurse", "teacher", "cook", "gardener", "secretary", "painter"],
    count: COUNTS,
    city: CITIES,
    day: DAYS,
  },
  turns: [
    "B: Please sit down. So you want to work as a {thing}? | Thank you for coming. You would like to be our {thing}?",
    "A: Yes, I was a {thing} in {city} for {count} years. | Yes. I have done this for {count} years in {city}.",
    "B: Why do you want to change? | Why did you leave?",
    "A: My family has moved here. | I want to learn something new.",
  ],
  endings: [
    {
      turns: [
        "B: You can start on {day}. | I like that. Please begin on {day}.",
        "A?: That is wonderful. | I am very happy.",
      ],
      outcome: "the job is taken",
      summaries: [
        "{A} gets the job as a {thing} and will start on {day}.",
        "{B} gives {A}, who worked in {city} for {count} years, a job as a {thing}.",
        "{A} can start to work as a {thing} on {day}.",
      ],
    },
    {
      turns: [
        "B: I have to talk to my boss. I will call you on {day}. | We will let you know on {day}.",
        "A: All right, I will wait for your call. | I hope to hear from you.",
      ],
      outcome: "a call about the job",
      summaries: [
        "{A} wants to work as a {thing}, and {B} will call {A} on {day}.",
        "{B} talks with {A} about a job as a {thing} and will decide by {day}.",
        "{A} has to wait until {day} to hear about the job.",
      ],
    },
    {
      turns: [
        "B: I am afraid we need somebody who speaks Spanish. | Sorry, but we need a person who can speak Spanish.",
        "A: Oh, then it is not for me. | I see. I don't speak it.",
      ],
      outcome: "no job",
      summaries: [
        "{A} does not get the job as a {thing} because {A} does not speak Spanish.",
        "{B} needs a {thing} who speaks Spanish, so {A} does not get the job.",
        "{A} cannot work for {B} as a {thing} without Spanish.",
      ],
    },
  ],
};

const late: Situation = {
  topic: "late for work",
  about: "being late for work",
  register: "friends",
  roles: { A: "the worker", B: "the boss" },
  slots: {
    time: TIMES,
    reason: [
      "my car broke down~the car broke down",
      "I missed the bus~the bus was missed",
      "my clock stopped~the clock stopped",
      "my son was sick~a son was sick",
    ],
    thing: ["report", "letter", "plan", "list"],
    day: DAYS,
  },
  turns: [
    "B: You are late again. It is {time} already. | Do you know that it is {time}?",
    "A: I am very sorry. {reason}. | Please excuse me, {reason}.",
  ],
  endings: [
    {
      turns: [
        "B: Don't let it happen again. | This must be the last time.",
        "A: I promise, it won't. | I will be on time from now on.",
      ],
      outcome: "late, but on time from now on",
      summaries: [
        "{A} is late because {reason}, and promises {B} to be on time.",
        "{B} is angry because {A} comes at {time}.",
        "{A} comes to work at {time} because {reason}.",
      ],
    },
    {
      turns: [
        "B: Then stay longer tonight and finish the {thing}. | You must finish the {thing} tonight.",
        "A: Of course, I will do it. | Yes, you will have it tonight.",
      ],
      outcome: "late, must stay longer",
      summaries: [
        "{A} is late because {reason} and must finish the {thing} tonight.",
        "{B} tells {A} to finish the {thing} because {A} came at {time}.",
        "{A} comes late at {time}, so {A} has to finish the {thing} tonight.",
      ],
    },
  ],
};

const meeting: Situation = {
  topic: "moving a meeting",
  about: "a meeting",
  register: "friends",
  roles: { A: "the one who asks", B: "the one who answers" },
  slots: {
    day: DAYS,
    day2: DAYS,
    time: TIMES,
    reason: [
      "must go to the dentist~must go to the dentist",
      "have a visitor~has a visitor",
      "will be away~will be away",
      "have to see a customer~has to see a customer",
    ],
    name: FIRST_NAMES,
  },
  turns: [
    "A: I can't come to the meeting on {day}. | About our meeting on {day}, I am not free.",
    "B: Why not? | Is something wrong?",
    "A: I {reason}. Can we meet on {day2}? | I {reason}. How about {day2}?",
  ],
  endings: [
    {
      turns: [
        "B: Yes, {day2} at {time} is good. | No problem, let's meet on {day2} at {time}.",
        "A?: Good, see you then. | I will be there.",
      ],
      outcome: "another day for the meeting",
      summaries: [
        "{A} and {B} move the meeting from {day} to {day2} at {time}.",
        "{A} {reason} on {day}, so the meeting will be on {day2}.",
        "{B} agrees to meet {A} on {day2} at {time}.",
      ],
    },
    {
      turns: [
        "B: Sorry, {name} can only come on {day}. | That won't work. {name} needs you on {day}.",
        "A: Then I will try to come. | All right, I will change my plans.",
      ],
      outcome: "the same day for the meeting",
      summaries: [
        "The meeting stays on {day} because of {name}, so {A} will try to come.",
        "{A} wants to meet on {day2}, but {name} can only come on {day}.",
        "{B} cannot move the meeting because {name} can only come on {day}.",
      ],
    },
  ],
};

const message: Situation = {
  topic: "phone message",
  about: "a phone call",
  register: "service",
  roles: { A: "the caller", B: "the secretary" },
  slots: {
    name: FIRST_NAMES,
    time: TIMES,
    day: DAYS,
    thing: ["the contract", "the bill", "the order", "the key", "the photos"],
  },
  turns: [
    "A: Can I speak to {name}, please? | I would like to talk to {name}.",
    "B: I am sorry, {name} is not here. | {name} is out at the moment.",
    "A: Can you take a message? It is about {thing}. | Please say that I called about {thing}.",
  ],
  endings: [
    {
      turns: [
        "B: Of course. When can {name} call you? | Sure. Shall {name} call you back?",
        "A: Yes, at {time}, please. | Please, at {time}.",
      ],
      outcome: "a message is taken",
      summaries: [
        "{A} wants {name} to call back at {time} about {thing}.",
        "{name} is not there, so {A} asks {B} for a call at {time}.",
        "{B} takes a message for {name} from {A} about {thing}.",
      ],
    },
    {
      turns: [
        "B: {name} will be back on {day}. | You can reach {name} on {day}.",
        "A: Then I will call again on {day}. | I will try on {day}.",
      ],
      outcome: "a call on another day",
      summaries: [
        "{A} will call {name} again on {day} about {thing}.",
        "{name} is out, so {A} will call again on {day}.",
        "{B} tells {A} that {name} will be back on {day}.",
      ],
    },
  ],
};

export const WORK = [interview, late, meeting, message];
