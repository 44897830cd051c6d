// Courses and exams.

import { DAYS, PRICES, TIMES, type Situation } from "../situation.ts";

const exam: Situation = {
  topic: "exam",
  about: "an exam",
  register: "friends",
  roles: { A: "the one who asks", B: "the student" },
  slots: {
    subject: ["maths", "history", "physics", "English", "biology", "music"],
    day: DAYS,
    time: TIMES,
  },
  turns: ["A: How was your {subject} exam? | Tell me about the {subject} exam."],
  endings: [
    {
      turns: [
        "B: I passed! I got the best mark. | Very good. I have passed it.",
        "A: Congratulations! Let's have a party on {day}. | Well done! We must celebrate on {day}.",
      ],
      outcome: "the exam is passed",
      summaries: [
        "{B} passed the {subject} exam, and {A} wants to celebrate on {day}.",
        "{A} is happy because {B} has passed the {subject} exam.",
        "{A} and {B} will celebrate {B}'s {subject} exam on {day}.",
      ],
    },
    {
      turns: [
        "B: I failed. I must do it again on {day}. | Terrible. I have failed and have to repeat it on {day}.",
        "A: I can help you. Come to the library at {time}. | Let's study together at {time}.",
        "B: That is very kind of you. | You are a real friend.",
      ],
      outcome: "the exam is failed",
      summaries: [
        "{B} failed the {subject} exam, and {A} will help {B} to study.",
        "{B} must repeat the {subject} exam on {day}.",
        "{A} will study with {B}, who failed the {subject} exam.",
      ],
    },
    {
      turns: [
        "B: It is not until {day}. I am so nervous. | I have not had it yet. It is on {day}.",
        "A: Don't worry, you have studied a lot. | You will be fine. You know everything.",
      ],
      outcome: "nervous about the exam",
      summaries: [
        "{B} is nervous about the {subject} exam on {day}.",
        "{A} tells {B} not to worry about the {subject} exam on {day}.",
        "{B} has the {subject} exam on {day}, and {A} is sure it will be fine.",
      ],
    },
  ],
};

const course: Situation = {
  topic: "language course",
  about: "a language course",
  register: "service",
  roles: { A: "the student", B: "the clerk" },
  slots: {
    subject: ["French", "German", "Chinese", "Italian", "Russian", "Greek"],
    day: DAYS,
    time: TIMES,
    price: PRICES,
    price2: PRICES,
  },
  turns: [
    "A: I want to learn {subject}. | Do you have courses in {subject}?",
    "B: Yes, we have one on {day} at {time}. | There is a course in {subject} every {day} at {time}.",
    "A: What does it cost? | And the price?",
    "B: {price} a week. | It is {price} a week.",
  ],
  endings: [
    {
      turns: [
        "A: Good. Please write down my name. | I would like to take it.",
        "B?: Then we will see you on {day}. | The teacher will be glad.",
      ],
      outcome: "the course is booked",
      summaries: [
        "{A} will take a course in {subject} on {day} for {price} a week.",
        "{A} wants to learn {subject} and will come on {day} at {time}.",
        "{B} offers {A} a course in {subject} for {price} a week.",
      ],
    },
    {
      turns: [
        "A: I am a student. Is there a lower price? | That is a lot for a student.",
        "B: For students it is only {price2}. | Students pay {price2}.",
        "A: Then I will come. | I will take it then.",
      ],
      outcome: "the course is cheaper",
      summaries: [
        "{A} is a student and pays {price2} for the {subject} course.",
        "{B} offers {A} the {subject} course on {day} for {price2}.",
        "{A} will learn {subject} on {day} for {price2} a week.",
      ],
    },
  ],
};

const gym: Situation = {
  topic: "joining a gym",
  about: "joining a gym",
  register: "service",
  roles: { A: "the new member", B: "the trainer" },
  slots: {
    price: PRICES,
    thing: ["swimming", "boxing", "yoga", "dancing", "climbing"],
    day: DAYS,
    time: TIMES,
  },
  turns: [
    "A: I want to join this gym. How much is it? | I would like to become a member. What does it cost?",
    "B: It is {price} a month. | You pay {price} a month.",
    "A: Do you offer {thing}? | Is there a class for {thing}?",
    "B: Yes, every {day} at {time}. | Of course, on {day} at {time}.",
  ],
  endings: [
    {
      turns: [
        "A: Then I will join today. | Wonderful, I will take it.",
        "B?: Please fill in this form. | Here is your card.",
      ],
      outcome: "a new member",
      summaries: [
        "{A} joins the gym for {price} a month and can do {thing} on {day}.",
        "{A} becomes a member of the gym, which costs {price} a month.",
        "{B} tells {A} about the {thing} class on {day}, and {A} joins.",
      ],
    },
    {
      turns: [
        "A: I have no time on {day}. I am sorry. | I always work on {day}, so I can't.",
        "B: That is a pity. | Come back when you have time.",
      ],
      outcome: "no new member",
      summaries: [
        "{A} does not join the gym because {A} has no time on {day}.",
        "The {thing} class is on {day}, when {A} has no time, so {A} does not join.",
        "{B} cannot win {A} for the gym, as the {thing} class is on {day}.",
      ],
    },
  ],
};

export const LEARNING = [exam, course, gym];
