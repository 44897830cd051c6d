// Regular expressions from files, matched in time that grows with expression and text and never more: each step of the
// expression is tried at each place of the text once (as RE2's backtracker does it,
// https://swtch.com/~rsc/regexp/regexp2.html). JavaScript's own take exponential time for "(.+)+!".

import type { Characters } from "./characters.ts";
import { parseExpression, type Node } from "./syntax.ts";

type Step =
  | { readonly op: "characters"; readonly matches: Characters }
  | { readonly op: "place"; readonly holds: (text: readonly number[], at: number) => boolean }
  /** Tries `first`, then `second`. */
  | { readonly op: "split"; first: number; second: number }
  | { readonly op: "jump"; to: number }
  /** Back to the split of a repetition; behind it where nothing was taken since, as Python goes on then. */
  | { readonly op: "again"; readonly to: number; readonly behind: number }
  | { readonly op: "save"; readonly slot: number }
  | {
      readonly op: "look";
      readonly inner: Program;
      readonly back: number;
      readonly negated: boolean;
    }
  | { readonly op: "end" };

type Program = readonly Step[];

/** Steps of an expression with its repetitions written out: memory and time are steps x characters. */
const MOST_STEPS = 4000;

export interface Match {
  /** Texts of the named groups that took part. */
  readonly groups: Readonly<Record<string, string>>;
  /** Length of the match. */
  readonly length: number;
}

/** An expression as Python's `re` reads it, with its meaning at the beginning of a text (`re.match`). */
export class LinearExpression {
  readonly #program: Program;
  readonly #names: readonly string[];

  /** @throws {SyntaxError} saying what cannot be read */
  constructor(source: string) {
    const compiler = new Compiler();
    this.#program = compiler.program(parseExpression(source));
    this.#names = compiler.names;
  }

  /** null where it does not match at the beginning. */
  exec(text: string): Match | null {
    const codes = Array.from(text, (character) => character.codePointAt(0)!);
    const slots = new Array<number>(2 * this.#names.length).fill(-1);
    const length = new Run(codes).match(this.#program, 0, slots);
    if (length < 0) return null;
    const found = this.#names.flatMap((name, i) => {
      const [begin, end] = [slots[2 * i]!, slots[2 * i + 1]!];
      return begin < 0 || end < 0 ? [] : [[name, String.fromCodePoint(...codes.slice(begin, end))]];
    });
    return { groups: Object.fromEntries(found) as Record<string, string>, length };
  }

  test(text: string): boolean {
    return this.exec(text) !== null;
  }
}

class Compiler {
  readonly names: string[] = [];
  #left = MOST_STEPS;

  program(node: Node): Program {
    const steps: Step[] = [];
    this.#write(node, steps);
    steps.push({ op: "end" });
    return steps;
  }

  #write(node: Node, steps: Step[]): void {
    if (--this.#left < 0) throw new SyntaxError(`more than ${MOST_STEPS} steps`);
    switch (node.kind) {
      case "characters":
        return void steps.push({ op: "characters", matches: node.matches });
      case "place":
        return void steps.push({ op: "place", holds: node.holds });
      case "sequence":
        for (const part of node.parts) this.#write(part, steps);
        return;
      case "choice":
        return this.#writeChoice(node.branches, steps);
      case "group": {
        const { name } = node;
        if (!this.names.includes(name)) this.names.push(name);
        const slot = 2 * this.names.indexOf(name);
        steps.push({ op: "save", slot });
        this.#write(node.inner, steps);
        return void steps.push({ op: "save", slot: slot + 1 });
      }
      case "repeat":
        return this.#writeRepeat(node, steps);
      case "look": {
        const { behind, negated } = node;
        const back = behind ? widthOf(node.inner) : 0;
        steps.push({ op: "look", inner: this.program(node.inner), back, negated });
      }
    }
  }

  #writeChoice(branches: readonly Node[], steps: Step[]): void {
    const jumps: { to: number }[] = [];
    for (const [i, branch] of branches.entries()) {
      if (i === branches.length - 1) {
        this.#write(branch, steps);
        break;
      }
      const split = { op: "split" as const, first: steps.length + 1, second: 0 };
      steps.push(split);
      this.#write(branch, steps);
      const jump = { op: "jump" as const, to: 0 };
      steps.push(jump);
      jumps.push(jump);
      split.second = steps.length;
    }
    for (const jump of jumps) jump.to = steps.length;
  }

  #writeRepeat(node: Node & { kind: "repeat" }, steps: Step[]): void {
    const { inner, least, most, lazy } = node;
    for (let i = 0; i < least; i++) this.#write(inner, steps);
    /** Writes a split whose one way is what follows, the other `to`, in the order of greed. */
    const split = () => {
      const step = { op: "split" as const, first: 0, second: 0 };
      steps.push(step);
      const inside = steps.length;
      return (outside: number) => {
        step.first = lazy ? outside : inside;
        step.second = lazy ? inside : outside;
      };
    };
    if (most === Infinity) {
      const begin = steps.length;
      const finish = split();
      this.#write(inner, steps);
      steps.push({ op: "again", to: begin, behind: steps.length + 1 });
      return finish(steps.length);
    }
    const finishes = [];
    for (let i = least; i < most; i++) {
      finishes.push(split());
      this.#write(inner, steps);
    }
    for (const finish of finishes) finish(steps.length);
  }
}

/** Characters that a node always takes. @throws {SyntaxError} where that varies, which Python refuses behind (?<= */
function widthOf(node: Node): number {
  switch (node.kind) {
    case "characters":
      return 1;
    case "place":
    case "look":
      return 0;
    case "sequence":
      return node.parts.reduce((sum, part) => sum + widthOf(part), 0);
    case "group":
      return widthOf(node.inner);
    case "choice": {
      const [width, ...others] = node.branches.map(widthOf);
      if (others.every((other) => other === width)) return width!;
      break;
    }
    case "repeat":
      if (node.least === node.most) return node.least * widthOf(node.inner);
  }
  throw new SyntaxError("a look behind that is not of one length");
}

/** One text. */
class Run {
  readonly #text: readonly number[];
  /** What a look at a place came to; -1 where it matched not. */
  readonly #looks = new Map<Program, Map<number, boolean>>();

  constructor(text: readonly number[]) {
    this.#text = text;
  }

  /** Where a match from `begin` on ends; -1 for none. Writes the places of groups into `slots`. */
  match(program: Program, begin: number, slots: number[]): number {
    const places = this.#text.length + 1;
    const tried = new Uint8Array(program.length * places);
    /** Steps and places still to be tried; a negative step restores a slot to the place. */
    const stack = [0, begin];
    while (stack.length > 0) {
      let at = stack.pop()!;
      let next = stack.pop()!;
      if (next < 0) {
        slots[-next - 1] = at;
        continue;
      }
      for (;;) {
        // What was tried has failed, or goes in a circle that takes no character.
        if (tried[next * places + at] === 1) break;
        tried[next * places + at] = 1;
        const step = program[next]!;
        if (step.op === "end") return at;
        if (step.op === "characters") {
          if (at >= this.#text.length || !step.matches(this.#text[at]!)) break;
          at++;
          next++;
        } else if (step.op === "place") {
          if (!step.holds(this.#text, at)) break;
          next++;
        } else if (step.op === "look") {
          if (this.#look(step.inner, at - step.back) === step.negated) break;
          next++;
        } else if (step.op === "save") {
          stack.push(-step.slot - 1, slots[step.slot]!);
          slots[step.slot] = at;
          next++;
        } else if (step.op === "jump") {
          next = step.to;
        } else if (step.op === "again") {
          next = tried[step.to * places + at] === 1 ? step.behind : step.to;
        } else {
          stack.push(step.second, at);
          next = step.first;
        }
      }
    }
    return -1;
  }

  #look(program: Program, at: number): boolean {
    if (at < 0) return false;
    const known = this.#looks.get(program) ?? new Map<number, boolean>();
    this.#looks.set(program, known);
    const before = known.get(at);
    if (before !== undefined) return before;
    const holds = this.match(program, at, []) >= 0;
    known.set(at, holds);
    return holds;
  }
}
