// What a situation is: everyday talk as data. A turn is one string, "<role>: one wording | another wording", with
// "<role>?:" for a turn that may be left out; {slot} stands for a value drawn from the slot's list, and in summaries
// {A}, {B} and {C} stand for the people, by name where the dialogue mentions it and as #Person1# otherwise. A value
// "am ill~is ill" is said as "am ill" and reported in the summary as "is ill".

export type Role = "A" | "B" | "C";

/** One way in which a situation ends, with a summary in three wordings. */
export interface Ending {
  readonly turns: readonly string[];
  /** What happens, without the people and the slots. */
  readonly outcome: string;
  readonly summaries: readonly [string, string, string];
}

export interface Situation {
  /** Short title, the topic column. */
  readonly topic: string;
  /** "They talk about ...". */
  readonly about: string;
  /** Friends call each other by first name; in a service A is the customer, whom B may call Mr. or Ms. */
  readonly register: "friends" | "service";
  /** What A and B are: "the guest". */
  readonly roles: { readonly A: string; readonly B: string };
  readonly slots: Readonly<Record<string, readonly string[]>>;
  readonly turns: readonly string[];
  readonly endings: readonly Ending[];
}

export const DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

const HOURS = "one two three four five six seven eight nine ten eleven twelve".split(" ");
export const TIMES = [
  ...HOURS.map((hour) => `${hour} o'clock`),
  ...HOURS.map((hour) => `half past ${hour}`),
];

export const COUNTS = "two three four five six seven eight nine ten".split(" ");

export const PRICES = "15 20 25 30 35 40 45 50 60 70 80 90".split(" ").map((n) => `${n} dollars`);

export const COLOURS = ["black", "blue", "brown", "green", "red", "white", "yellow"];

export const CITIES = (
  "London Paris Boston Chicago Rome Madrid Berlin Vienna Dublin Denver Seattle Oslo Athens Lisbon " +
  "Prague Milan Naples Geneva Warsaw Munich Cairo Tokyo Sydney Toronto"
).split(" ");

export const FIRST_NAMES = (
  "Anna Ben Clara David Emma Frank Grace Henry Irene Jack Karen Leo Maria Nick Olga Paul Rosa Sam Tina " +
  "Victor Wendy Adam Bella Carl Diana Eric Fiona George Helen Ivan Julia Kevin Linda Mark Nora Oscar " +
  "Peter Ruth Steve Tom Alice Brian Cindy Daniel Ella Felix Gloria Hugo Jane Karl Lucy Martin Nina Otto " +
  "Robert Sara Susan Tony Vera Walter"
).split(" ");

const SURNAMES = (
  "Baker Carter Davis Evans Fisher Green Harris Jones King Lopez Miller Nelson Parker Reed Stone " +
  "Taylor Walker Young Adams Bennett Collins Foster Hughes Morgan Palmer Turner"
).split(" ");
export const FORMAL_NAMES = SURNAMES.flatMap((name) => [`Mr. ${name}`, `Ms. ${name}`]);

/** Two lines that do not matter, though they may mention a day, a time, a price or a city. */
export type SmallTalk = readonly [string, string];

export const SMALL_TALK_SLOTS = {
  otherCity: CITIES,
  otherDay: DAYS,
  otherTime: TIMES,
  otherPrice: PRICES,
};

export const FRIENDS_OPENINGS: readonly SmallTalk[] = [
  ["How are you today? | How are you?", "I am fine, thanks. | Very well, thank you."],
  ["It is so cold today, isn't it?", "Yes, it is. I need a warm coat."],
  [
    "How was your weekend?",
    "It was nice. I went to {otherCity} with my sister. | Quiet. I stayed at home.",
  ],
  ["I like your new jacket.", "Thank you. It was only {otherPrice}."],
  ["Sorry, the bus was late.", "No problem. I came at {otherTime} myself. | Never mind."],
  ["Did you see the game on {otherDay}?", "No, I was too tired. | Yes, it was great."],
  ["I did not sleep well.", "Me neither. It was too hot."],
  ["Have you read the newspaper?", "Yes, {otherCity} won the match on {otherDay}. | Not yet."],
  [
    "Where did you get that lovely ring?",
    "My grandmother gave it to me. | I found it in {otherCity}.",
  ],
  ["Would you like some coffee?", "Yes, please, with milk. | No, thanks, I just had some."],
];

export const SERVICE_OPENINGS: readonly SmallTalk[] = [
  ["What a lovely day. | The weather is lovely today.", "Yes, the sun is shining at last."],
  [
    "What a pretty picture on the wall.",
    "Thank you, it comes from {otherCity}. | My daughter painted it.",
  ],
  ["It is very quiet here today.", "Yes, but it was full on {otherDay}. | Yes, it is."],
  [
    "What terrible weather. | So much rain today.",
    "Yes, it has been raining since {otherTime}. | Yes, it is.",
  ],
];

export const CLOSINGS: readonly SmallTalk[] = [
  ["Have a nice day.", "You too. Goodbye. | Thanks, and you."],
  ["Thank you very much. | Thank you so much.", "You are welcome. | No problem."],
  ["See you soon.", "See you. Take care. | Bye."],
  ["I hope the rain stops soon.", "Yes, I forgot my umbrella. | So do I."],
];

export const GREETINGS = {
  friends: ["Hi", "Hello", "Good morning"],
  service: ["Good morning", "Good evening", "Hello"],
};
