// A pickle is a program for a stack machine, and Python's machine may import and call anything. This one has the opcodes that
// torch.save needs for a dictionary of tensors, knows no name by itself, and calls only what its caller hands it. It never
// recurses, and bounds what a hostile file can make it hold.

import { opcodeName } from "./opcodes.ts";
import { PickleCursor } from "./pickleCursor.ts";
import { describe, PickleTuple } from "./pickleValues.ts";
import { damaged, foreign } from "./refusals.ts";

/** The longest pickle that is read, in bytes; that of a model with 1,000 tensors has 250,000. */
export const MAX_PICKLE_BYTES = 2 ** 22;
/** The most tuples, dictionaries and results of calls; a tensor takes six. */
const MAX_OBJECTS = 250_000;

/** What a pickle may name, call, build and refer to. Each refuses what it does not know with an error of its own. */
export interface PickleWorld {
  /** The object that stands for Python's `module.name`. */
  find(module: string, name: string): unknown;
  call(callee: unknown, args: readonly unknown[]): unknown;
  /** Python's `__setstate__`, or an update of `__dict__`. */
  build(object: unknown, state: unknown): void;
  persistent(id: unknown): unknown;
}

export interface Unpickled {
  readonly value: unknown;
  /** Position after STOP. */
  readonly end: number;
}

/**
 * Runs one pickle of protocol 2.
 * @param file begins messages
 * @throws {CheckpointError} naming an opcode or name that is not known here, or what is damaged
 */
export function unpickle(
  file: string,
  bytes: Uint8Array,
  world: PickleWorld,
  start = 0,
): Unpickled {
  return new Machine(file, bytes, world, start).run();
}

class Machine {
  readonly #file: string;
  readonly #cursor: PickleCursor;
  readonly #world: PickleWorld;
  readonly #stack: unknown[] = [];
  /** Heights of the stack at each open MARK. */
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, unknown>();
  readonly #start: number;
  #objects = 0;

  constructor(file: string, bytes: Uint8Array, world: PickleWorld, start: number) {
    this.#file = file;
    this.#cursor = new PickleCursor(file, bytes, start);
    this.#world = world;
    this.#start = start;
  }

  run(): Unpickled {
    for (;;) {
      const at = this.#cursor.position;
      const name = opcodeName(this.#cursor.uint(1));
      if ((name === "PROTO") !== (at === this.#start)) {
        throw damaged(
          this.#file,
          `the pickle must begin with PROTO and have no other, got ${name} at byte ${at}`,
        );
      }
      if (name === "STOP") return { value: this.#pop(), end: this.#cursor.position };
      this.#step(name, at);
    }
  }

  #step(opcode: string, at: number): void {
    const stack = this.#stack;
    switch (opcode) {
      case "PROTO":
        return this.#protocol(this.#cursor.uint(1));
      case "MARK":
        return void this.#marks.push(stack.length);
      case "NONE":
        return void stack.push(null);
      case "NEWTRUE":
        return void stack.push(true);
      case "NEWFALSE":
        return void stack.push(false);
      case "BININT":
        return void stack.push(this.#cursor.int32());
      case "BININT1":
        return void stack.push(this.#cursor.uint(1));
      case "BININT2":
        return void stack.push(this.#cursor.uint(2));
      case "LONG1":
        return void stack.push(this.#cursor.long());
      case "BINUNICODE":
        return void stack.push(this.#cursor.text());
      case "EMPTY_DICT":
        return this.#make(new Map<string, unknown>());
      case "EMPTY_LIST":
        return this.#make([]);
      case "EMPTY_TUPLE":
        return this.#make(new PickleTuple([]));
      case "TUPLE1":
        return this.#make(new PickleTuple(this.#popMany(1)));
      case "TUPLE2":
        return this.#make(new PickleTuple(this.#popMany(2)));
      case "TUPLE3":
        return this.#make(new PickleTuple(this.#popMany(3)));
      case "TUPLE":
        return this.#make(new PickleTuple(this.#popToMark()));
      case "SETITEM":
        return this.#setItems(this.#popMany(2));
      case "SETITEMS":
        return this.#setItems(this.#popToMark());
      case "APPEND":
        return this.#append(this.#popMany(1));
      case "APPENDS":
        return this.#append(this.#popToMark());
      case "BINPUT":
        return void this.#memo.set(this.#cursor.uint(1), this.#top());
      case "LONG_BINPUT":
        return void this.#memo.set(this.#cursor.uint(4), this.#top());
      case "BINGET":
        return this.#recall(this.#cursor.uint(1));
      case "LONG_BINGET":
        return this.#recall(this.#cursor.uint(4));
      case "GLOBAL":
        return void stack.push(this.#world.find(this.#cursor.line(), this.#cursor.line()));
      case "BINPERSID":
        return this.#make(this.#world.persistent(this.#pop()));
      case "REDUCE":
        return this.#reduce();
      case "BUILD":
        return this.#build();
      default:
        throw foreign(
          this.#file,
          `the pickle must use only opcodes that torch.save needs for tensors, got ${opcode} at byte ${at}`,
        );
    }
  }

  #protocol(version: number): void {
    if (version === 2) return;
    throw foreign(
      this.#file,
      `the pickle must be of protocol 2, as torch.save writes it, got protocol ${version}`,
    );
  }

  #make(object: unknown): void {
    if (++this.#objects > MAX_OBJECTS) {
      throw foreign(
        this.#file,
        `the pickle must make at most ${MAX_OBJECTS} objects, got more at byte ${this.#cursor.position}`,
      );
    }
    this.#stack.push(object);
  }

  #top(): unknown {
    this.#need(1);
    return this.#stack.at(-1);
  }

  #pop(): unknown {
    return this.#popMany(1)[0];
  }

  #popMany(count: number): unknown[] {
    this.#need(count);
    return this.#stack.splice(this.#stack.length - count, count);
  }

  /** Throws unless `count` values lie above the last MARK. */
  #need(count: number): void {
    if (this.#stack.length - count < (this.#marks.at(-1) ?? 0)) {
      throw damaged(
        this.#file,
        `the stack of the pickle must hold ${count} values at byte ${this.#cursor.position}, got fewer`,
      );
    }
  }

  #popToMark(): unknown[] {
    const mark = this.#marks.pop();
    if (mark === undefined) {
      throw damaged(
        this.#file,
        `a MARK must stand before byte ${this.#cursor.position} of the pickle, got none`,
      );
    }
    return this.#stack.splice(mark);
  }

  #recall(index: number): void {
    if (!this.#memo.has(index)) {
      throw damaged(this.#file, `the pickle must store ${index} before it recalls it, got nothing`);
    }
    this.#stack.push(this.#memo.get(index));
  }

  #setItems(items: readonly unknown[]): void {
    const dict = this.#top();
    if (!(dict instanceof Map) || items.length % 2 !== 0) {
      throw damaged(this.#file, `SETITEMS must fill a dictionary with pairs, got other values`);
    }
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i];
      if (typeof key !== "string") {
        throw foreign(this.#file, `keys of dictionaries must be texts, got ${describe(key)}`);
      }
      dict.set(key, items[i + 1]);
    }
  }

  #append(items: readonly unknown[]): void {
    const list = this.#top();
    if (!Array.isArray(list)) {
      throw damaged(this.#file, `APPENDS must fill a list, got ${describe(list)}`);
    }
    for (const item of items) list.push(item);
  }

  #reduce(): void {
    const [callee, args] = this.#popMany(2);
    if (!(args instanceof PickleTuple)) {
      throw damaged(this.#file, `REDUCE must call with a tuple, got ${describe(args)}`);
    }
    this.#make(this.#world.call(callee, args.items));
  }

  #build(): void {
    const state = this.#pop();
    this.#world.build(this.#top(), state);
  }
}
