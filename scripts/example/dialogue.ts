// One dialogue from one situation: slots are drawn, turns worded, speakers numbered and perhaps named.

import type { Random } from "./random.ts";
import {
  CLOSINGS,
  FIRST_NAMES,
  FORMAL_NAMES,
  FRIENDS_OPENINGS,
  GREETINGS,
  SERVICE_OPENINGS,
  SMALL_TALK_SLOTS,
  type Ending,
  type Role,
  type Situation,
  type SmallTalk,
} from "./situation.ts";
import { ERRANDS } from "./situations/errands.ts";
import { HOME } from "./situations/home.ts";
import { LEARNING } from "./situations/learning.ts";
import { LEISURE } from "./situations/leisure.ts";
import { TRANSPORT } from "./situations/transport.ts";
import { TRAVEL } from "./situations/travel.ts";
import { WORK } from "./situations/work.ts";

export const SITUATIONS: readonly Situation[] = [
  ...LEISURE,
  ...TRAVEL,
  ...TRANSPORT,
  ...WORK,
  ...LEARNING,
  ...HOME,
  ...ERRANDS,
];

/** A line as spoken: who says it, and what. */
export interface Line {
  readonly speaker: string;
  readonly text: string;
}

export interface Dialogue {
  readonly situation: Situation;
  readonly ending: Ending;
  readonly lines: readonly Line[];
  /** Three wordings of the same content. */
  readonly summaries: readonly [string, string, string];
  /** The people and values that the first summary mentions, in its order and as they were said. */
  readonly facts: readonly string[];
  /** What was said for every slot whose value occurs in the lines, by slot name. */
  readonly slots: ReadonlyMap<string, string>;
  /** How a summary calls those who speak: a name that the dialogue mentions, else #Person1#. */
  readonly people: ReadonlyMap<Role, string>;
}

/** The dialogue as DialogSum writes it: one line a turn, "#Person1#: ...". */
export function dialogueText({ lines }: Pick<Dialogue, "lines">): string {
  return lines.map(({ speaker, text }) => `${speaker}: ${text}`).join("\n");
}

/** Draws a dialogue of some situation. */
export function makeDialogue(random: Random): Dialogue {
  const situation = random.pick(SITUATIONS);
  const ending = random.pick(situation.endings);
  const drawn = new Drawn(random);
  for (const [slot, values] of Object.entries(situation.slots)) drawn.draw(slot, values);

  const main = [...situation.turns, ...ending.turns].flatMap((turn) => wordTurn(turn, drawn));
  const turns = addSmallTalk(main, situation, drawn);
  const speakers = numberSpeakers(turns);
  const people = new Map(speakers);
  greet(turns, people, situation, drawn);

  const lines = turns.map(({ role, text }) => ({
    speaker: speakers.get(role)!,
    text: capitalise(text),
  }));
  const said = lines.map(({ text }) => text.toLowerCase()).join("\n");
  const slots = new Map(
    [...drawn.said].filter(
      ([slot, value]) => slot in situation.slots && said.includes(value.toLowerCase()),
    ),
  );
  const report = (wording: string): string =>
    capitalise(
      wording.replace(/\{(\w+)\}/g, (_, slot: string) => {
        const person = people.get(slot as Role);
        if (person !== undefined) return person;
        if (!slots.has(slot)) {
          throw new Error(
            `${situation.topic}: the dialogue must mention {${slot}} of the summary "${wording}"`,
          );
        }
        return drawn.reported.get(slot)!;
      }),
    );
  const [first, second, third] = ending.summaries;
  const mentioned = [...first.matchAll(/\{(\w+)\}/g)].map(([, slot]) => slot!);
  const facts = new Set(mentioned.map((slot) => people.get(slot as Role) ?? drawn.said.get(slot)!));
  const summaries = [report(first), report(second), report(third)] as const;
  return { situation, ending, lines, summaries, facts: [...facts], slots, people };
}

interface Turn {
  readonly role: Role;
  text: string;
}

/** The values of one dialogue; no two slots get the same one. */
class Drawn {
  readonly said = new Map<string, string>();
  readonly reported = new Map<string, string>();
  readonly random: Random;
  private readonly used = new Set<string>();

  constructor(random: Random) {
    this.random = random;
  }

  draw(slot: string, values: readonly string[]): string {
    const value = this.random.pick(values.filter((candidate) => !this.used.has(candidate)));
    this.used.add(value);
    const [said, reported] = value.split("~");
    this.said.set(slot, said!);
    this.reported.set(slot, reported ?? said!);
    return said!;
  }

  /** Chooses one of the wordings and fills its slots. */
  word(wordings: string): string {
    const wording = this.random.pick(wordings.split(" | "));
    return wording.replace(/\{(\w+)\}/g, (_, slot: string) => {
      const value = this.said.get(slot);
      if (value === undefined) throw new Error(`no slot {${slot}} for the turn "${wording}"`);
      return value;
    });
  }
}

/** "A?: one | another" to one spoken turn, or none if it may be left out. */
function wordTurn(turn: string, drawn: Drawn): Turn[] {
  const [, role, optional, wordings] = /^([ABC])(\??): (.+)$/.exec(turn) ?? [];
  if (role === undefined || wordings === undefined) {
    throw new Error(`a turn must read "<role>: <wording> | ...", got "${turn}"`);
  }
  if (optional === "?" && drawn.random.chance(0.5)) return [];
  return [{ role: role as Role, text: drawn.word(wordings) }];
}

/** Adds lines before and after the matter. */
function addSmallTalk(main: readonly Turn[], { register }: Situation, drawn: Drawn): Turn[] {
  const { random } = drawn;
  for (const [slot, values] of Object.entries(SMALL_TALK_SLOTS)) drawn.draw(slot, values);
  const exchange = ([first, second]: SmallTalk, role: Role): Turn[] => [
    { role, text: drawn.word(first) },
    { role: partner(role), text: drawn.word(second) },
  ];
  const openings = register === "friends" ? FRIENDS_OPENINGS : SERVICE_OPENINGS;
  const opening = random.chance(0.4) ? exchange(random.pick(openings), main[0]!.role) : [];
  const closing = random.chance(0.4)
    ? exchange(random.pick(CLOSINGS), partner(main.at(-1)!.role))
    : [];
  return [...opening, ...main, ...closing];
}

/** #Person1# is whoever speaks first. */
function numberSpeakers(turns: readonly Turn[]): ReadonlyMap<Role, string> {
  const roles = [...new Set(turns.map(({ role }) => role))];
  return new Map(roles.map((role, i) => [role, `#Person${i + 1}#`]));
}

/** Lets people greet each other; whoever is called by name is named so in the summary. */
function greet(
  turns: readonly Turn[],
  people: Map<Role, string>,
  { register }: Situation,
  drawn: Drawn,
): void {
  const { random } = drawn;
  const begins = turns[0]!.role;
  for (const speaker of [begins, partner(begins)]) {
    const turn = turns.find(({ role }) => role === speaker)!;
    const addressed = partner(speaker);
    const mayName = register === "friends" || addressed === "A";
    if (mayName && random.chance(0.45)) {
      const name = drawn.draw(
        `name of ${addressed}`,
        register === "friends" ? FIRST_NAMES : FORMAL_NAMES,
      );
      people.set(addressed, name);
      turn.text = `${random.pick(GREETINGS[register])}, ${name}. ${turn.text}`;
    } else if (speaker === begins && random.chance(0.3)) {
      turn.text = `${random.pick(GREETINGS[register])}. ${turn.text}`;
    }
  }
}

function partner(role: Role): Role {
  return role === "A" ? "B" : "A";
}

/** Makes the first letter of every sentence a capital. */
function capitalise(text: string): string {
  return text.replace(
    /(^|[.!?] )([a-z])/g,
    (_, before: string, letter: string) => before + letter.toUpperCase(),
  );
}
