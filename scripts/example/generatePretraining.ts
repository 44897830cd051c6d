// What the example's checkpoint is trained on before it is fine-tuned: the language of the dialogues, copying from
// them and finding things in them, but never the summaries that train.csv teaches.

import { dialogueText, makeDialogue, type Dialogue } from "./dialogue.ts";
import { Random } from "./random.ts";
import {
  CITIES,
  COLOURS,
  COUNTS,
  DAYS,
  FIRST_NAMES,
  PRICES,
  TIMES,
  type Role,
} from "./situation.ts";

export interface PretrainingPair {
  readonly task: Task;
  readonly input: string;
  readonly target: string;
}

/**
 * How often each task comes, relative to the others. Span corruption is rare: most of what it asks for cannot be known
 * (a name, a time), and with more of it a small model takes many times longer to learn to copy.
 */
export const TASK_WEIGHTS = {
  /** "Anna books table four Friday": what happens in content words, not in sentences. */
  headline: 8,
  /** A line of the dialogue, word by word. */
  line: 4,
  /** "On which day?" and the like: a span of the dialogue. */
  question: 4,
  /** "the table is booked: Anna, four, Friday": how it ends, then the people and values. */
  note: 4,
  /** All values that occur, as a list. */
  keywords: 3,
  /** "Who is the guest?": a person, by name where the dialogue has it. */
  role: 2,
  /** Who says a given line. */
  speaker: 1,
  /** "They talk about ...": the situation, without what happened in it. */
  about: 1,
  /** T5's span corruption (Raffel et al. 2020, section 3.1.4). */
  spans: 1,
};
export type Task = keyof typeof TASK_WEIGHTS;

/**
 * Pairs of input and target text without end, the same for the same seed.
 * @param seed other streams than the dataset's: any integer but EXAMPLE_SEED and the next few
 */
export function* generatePretraining(
  seed: number,
  weights: Readonly<Record<Task, number>> = TASK_WEIGHTS,
): Generator<PretrainingPair, never> {
  const random = new Random(seed);
  for (;;) {
    const task = random.weighted(weights);
    const dialogue = makeDialogue(random);
    yield { task, ...TASKS[task](dialogue, random) };
  }
}

type Pair = Omit<PretrainingPair, "task">;

/** Kinds of words that a copy is made of, with what asks for a word of the kind. */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  name: FIRST_NAMES,
  day: DAYS,
  time: TIMES,
  price: PRICES,
  city: CITIES,
  colour: COLOURS,
  count: COUNTS,
};

/**
 * Short lists to copy, or to find a word of a kind in, without end: what a model needs to learn first. Among the hundred tokens
 * of a dialogue attention finds nothing to copy before it knows how, and a model of this size learns it there late or never;
 * among ten it does in some hundred steps.
 */
export function* generateCopies(seed: number): Generator<Omit<PretrainingPair, "task">, never> {
  const random = new Random(seed);
  const kinds = Object.keys(KINDS);
  for (;;) {
    const chosen = random.shuffle(kinds).slice(0, 2 + random.below(4));
    const words = chosen.map((kind) => random.pick(KINDS[kind]!));
    const list = words.join(", ");
    if (random.chance(0.5)) {
      yield { input: list, target: list };
      continue;
    }
    const asked = random.below(chosen.length);
    yield { input: `${list}. Which ${chosen[asked]!}?`, target: words[asked]! };
  }
}

const TASKS: Readonly<Record<Task, (dialogue: Dialogue, random: Random) => Pair>> = {
  spans(dialogue, random) {
    return corruptSpans(dialogueText(dialogue), random);
  },
  question(dialogue, random) {
    const [slot, value] = random.pick([...dialogue.slots]);
    return ask(QUESTIONS[slot] ?? missingQuestion(slot), dialogue, value);
  },
  role(dialogue, random) {
    const role = random.pick<keyof Dialogue["situation"]["roles"]>(["A", "B"]);
    return ask(`Who is ${dialogue.situation.roles[role]}?`, dialogue, personOf(dialogue, role));
  },
  speaker(dialogue, random) {
    const { speaker, text } = random.pick(dialogue.lines);
    return ask(`Who says this? ${text}`, dialogue, speaker);
  },
  line(dialogue, random) {
    const { speaker } = random.pick(dialogue.lines);
    const own = dialogue.lines.filter((line) => line.speaker === speaker);
    return random.chance(0.5)
      ? ask(`What does ${speaker} say first?`, dialogue, own[0]!.text)
      : ask(`What does ${speaker} say last?`, dialogue, own.at(-1)!.text);
  },
  keywords(dialogue) {
    const people = [...dialogue.people.values()].join(", ");
    const values = [...dialogue.slots.values()].join(", ");
    const keywords = `${people}, ${dialogue.situation.topic}, ${values}`;
    return instruct("List the keywords of the following conversation.", dialogue, keywords);
  },
  headline(dialogue, random) {
    const words = random.pick(dialogue.summaries).replace(/[.,]/g, "").split(" ");
    const target = words.filter((word) => !FUNCTION_WORDS.has(word.toLowerCase())).join(" ");
    return instruct("Write a headline for the following conversation.", dialogue, target);
  },
  note(dialogue) {
    const target = `${dialogue.ending.outcome}: ${dialogue.facts.join(", ")}`;
    return instruct("Take a note of the following conversation.", dialogue, target);
  },
  about(dialogue) {
    const target = `They talk about ${dialogue.situation.about}.`;
    return instruct("What is the following conversation about?", dialogue, target);
  },
};

/** The question that each slot of a situation answers. */
const QUESTIONS: Readonly<Record<string, string>> = {
  time: "At what time?",
  time2: "At what other time?",
  day: "On which day?",
  day2: "On which other day?",
  price: "For how much money?",
  price2: "For how much money in the end?",
  count: "How many?",
  city: "In which city?",
  colour: "Which colour?",
  colour2: "Which other colour?",
  name: "Who else?",
  thing: "Which thing?",
  thing2: "Which other thing?",
  place: "At which place?",
  reason: "For which reason?",
  dish: "What to eat or take?",
  subject: "Which subject?",
  number: "Which number?",
  number2: "Which other number?",
};

const FUNCTION_WORDS = new Set(
  "a an the is has had will to of for at on in by with and so but because that who which as it".split(
    " ",
  ),
);

function missingQuestion(slot: string): never {
  throw new Error(`no question for the slot {${slot}}; add it to QUESTIONS`);
}

function personOf({ people }: Dialogue, role: Role): string {
  return people.get(role) ?? "nobody";
}

function ask(question: string, dialogue: Dialogue, target: string): Pair {
  return {
    input: `Answer the question.\n\n${dialogueText(dialogue)}\n\nQuestion: ${question}`,
    target,
  };
}

function instruct(instruction: string, dialogue: Dialogue, target: string): Pair {
  return { input: `${instruction}\n\n${dialogueText(dialogue)}\n\nAnswer: `, target };
}

// The tokenizer has <extra_id_0> to <extra_id_19>; one is left to end the target.
const LAST_SENTINEL = 19;

/**
 * Replaces about a fifth of the words by sentinels, in spans of one to four; the target holds the spans.
 * No space stands before a sentinel: it would become a token of its own.
 */
function corruptSpans(text: string, random: Random): Pair {
  const words = text.split(" ");
  let input = "";
  let target = "";
  let sentinel = 0;
  for (let i = 0; i < words.length;) {
    // 0.1 of the positions begin a span of 2.5 words on average.
    const length = sentinel < LAST_SENTINEL && random.chance(0.1) ? 1 + random.below(4) : 0;
    if (length === 0) {
      input += (i === 0 ? "" : " ") + words[i]!;
      i += 1;
      continue;
    }
    const span = words.slice(i, i + length).join(" ");
    input += `<extra_id_${sentinel}>`;
    target += `<extra_id_${sentinel}> ${span}`;
    sentinel += 1;
    i += length;
  }
  if (sentinel === 0) return corruptSpans(text, random);
  return { input, target: `${target}<extra_id_${sentinel}>` };
}
