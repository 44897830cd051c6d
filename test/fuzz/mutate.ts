// Seeded damage to files: bytes, and JSON whose structure stays JSON. The same seed makes the same damage.

import { uniform } from "../support/random.ts";

/** Draws from a seed. */
export class Draw {
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = uniform(seed);
  }

  /** A whole number of 0..limit - 1. */
  below(limit: number): number {
    return Math.floor(this.#next() * limit);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  chance(share: number): boolean {
    return this.#next() < share;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Uint8Array.from({ length }, () => this.below(256)));
  }
}

/** What may stand anywhere in a text that is read by a program. */
const TOKENS = [
  ...['"__proto__"', '"constructor"', '"toString"', "1e999", "-1", "-0", "0", "null", "true"],
  ...["[]", "{}", '""', "9007199254740993", "18446744073709551616", "1e-400", "0.5", "NaN"],
  ...['"\\u0000"', '"\\ud800"', "\u001b[31m", "\0", "\ufeff", "\u2028", "\u202e", "é", "𝒳"],
  ...[",", ":", "{", "}", "[", "]", '"', "\\", "\n", "\r\n", "\t", " ", "- ", "F32", "4294967296"],
  ...["2147483648", "a".repeat(300), "&a *a", "!!js", "(.+)+!"],
].map((text) => Buffer.from(text));

/** A copy with some faults: bytes changed, cut out, put in, moved or repeated. */
export function damagedBytes(whole: Uint8Array, draw: Draw, most = 4): Buffer {
  let bytes = Buffer.from(whole);
  for (let faults = 1 + draw.below(most); faults > 0; faults--) {
    const at = draw.below(bytes.length + 1);
    const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)];
    const some = (limit: number) => 1 + draw.below(Math.max(1, Math.min(limit, tail.length)));
    const token = draw.pick(TOKENS);
    const kinds: readonly (() => Buffer)[] = [
      () =>
        Buffer.concat([head, Buffer.of((tail[0] ?? 0) ^ (1 << draw.below(8))), tail.subarray(1)]),
      () => Buffer.concat([head, draw.bytes(1), tail.subarray(1)]),
      () => Buffer.from(head),
      () => Buffer.concat([head, tail.subarray(some(64))]),
      () => Buffer.concat([head, tail.subarray(0, some(256)), tail]),
      () => Buffer.concat([head, draw.bytes(1 + draw.below(16)), tail]),
      () => Buffer.concat([head, token, tail]),
      () => Buffer.concat([head, token, tail.subarray(token.length)]),
      () => Buffer.concat([bytes, draw.bytes(1 + draw.below(64))]),
      () => Buffer.concat([head, Buffer.alloc(some(64)), tail.subarray(some(64))]),
      () => Buffer.concat([head, Buffer.alloc(4, draw.pick([0xff, 0x7f, 0x80])), tail.subarray(4)]),
    ];
    bytes = draw.pick(kinds)() as typeof bytes;
  }
  return bytes;
}

/** A copy of the same length with some bytes changed: places that the file names stay where they are. */
export function damagedInPlace(whole: Uint8Array, draw: Draw, most = 3): Buffer {
  const bytes = Buffer.from(whole);
  for (let faults = 1 + draw.below(most); faults > 0; faults--) {
    const at = draw.below(bytes.length);
    const length = 1 + draw.below(Math.min(8, bytes.length - at));
    const kinds: readonly (() => void)[] = [
      () => (bytes[at]! ^= 1 << draw.below(8)),
      () => (bytes[at]! ^= 1 << draw.below(8)),
      () => (bytes[at] = draw.below(256)),
      () => bytes.fill(draw.pick([0, 0xff, 0x7f, 0x80]), at, at + length),
      () => bytes.copy(bytes, at, draw.below(bytes.length), draw.below(bytes.length)),
    ];
    draw.pick(kinds)();
  }
  return bytes;
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Stands for lists in lists, which JSON.stringify could not write: 20,000 or 900 of them. */
const DEEP = "deep\u0001";
const LESS_DEEP = "less deep\u0001";
const lists = (depth: number) => "[".repeat(depth) + "]".repeat(depth);

const UNEXPECTED: readonly Json[] = [
  ...[null, true, false, 0, -1, 1, 0.5, -0.5, 1e308, 1e-308, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 53)],
  ...[1e15, 3, 7, 1000, 65536, "", " ", "0", "null", "true", "../../etc/passwd", "/etc/passwd"],
  ...[
    "a/b",
    "..\\x",
    "\0",
    "\u001b[2J",
    "\u202eabc",
    "\ud800",
    "𝒳é",
    "a".repeat(5000),
    "__proto__",
  ],
  ...[
    "constructor",
    "(a+)+$",
    "(.+)+!",
    "(",
    "[",
    "*",
    "<script>",
    [],
    {},
    [null],
    [[]],
    [0],
    [-1],
  ],
  ...[[1, 2], ["a"], { a: 1 }, { content: "x" }, { length: 3 }, { toString: 2 }, { then: 1 }],
  ...[[[[0]]], DEEP, LESS_DEEP],
];
const KEYS = [
  "__proto__",
  "constructor",
  "toString",
  "valueOf",
  "length",
  "then",
  "x",
  "",
  "0",
  "a.b",
];

/** The text of a JSON value with some of its values, keys and members changed, now and then as no parser expects it. */
export function damagedJson(whole: unknown, draw: Draw, most = 3): string {
  let value = JSON.parse(JSON.stringify(whole)) as Json;
  for (let faults = 1 + draw.below(most); faults > 0; faults--) {
    const places = membersOf(value);
    if (places.length === 0) {
      value = unexpected(value, draw);
      continue;
    }
    // Half of them near the top: a vocabulary of thousands would hide the rest.
    const near = places.filter(({ depth }) => depth <= 2);
    const { parent, key } = draw.pick(draw.chance(0.5) ? near : places);
    const old = get(parent, key);
    const kinds: readonly (() => void)[] = [
      () => set(parent, key, unexpected(old, draw)),
      () => set(parent, key, unexpected(old, draw)),
      () => set(parent, key, unexpected(old, draw)),
      () => remove(parent, key),
      () =>
        set(
          parent,
          Array.isArray(parent) ? String(parent.length) : draw.pick(KEYS),
          unexpected(null, draw),
        ),
      () => {
        if (Array.isArray(parent)) return;
        remove(parent, key);
        set(parent, draw.pick([...KEYS, `${key}_`, key.toUpperCase()]), old);
      },
      () => {
        const other = draw.pick(places);
        set(parent, key, copyOf(get(other.parent, other.key)));
      },
      () => set(parent, key, draw.pick<Json>([[copyOf(old)], { value: copyOf(old) }])),
    ];
    draw.pick(kinds)();
  }
  let text = JSON.stringify(value)
    .replaceAll(JSON.stringify(DEEP), lists(20_000))
    .replaceAll(JSON.stringify(LESS_DEEP), lists(900));
  if (draw.chance(0.02) && text.startsWith("{")) text = `{"a":1,${text.slice(1)}`;
  if (draw.chance(0.01)) text = "[".repeat(20_000) + "]".repeat(20_000);
  if (draw.chance(0.01)) text = `${'{"a":'.repeat(5000)}1${"}".repeat(5000)}`;
  if (draw.chance(0.02)) text = `\ufeff${text}`;
  return text;
}

/** JSON, or bytes, as damaged. */
export function damaged(whole: Uint8Array, draw: Draw, shareOfJson = 0.6): Buffer {
  return draw.chance(shareOfJson)
    ? Buffer.from(damagedJson(JSON.parse(Buffer.from(whole).toString()), draw))
    : damagedBytes(whole, draw);
}

function unexpected(old: Json, draw: Draw): Json {
  if (typeof old === "number" && draw.chance(0.4))
    return draw.pick<Json>([old + 1, old - 1, old * 2, -old, old / 2, String(old), [old]]);
  if (typeof old === "string" && draw.chance(0.3))
    return draw.pick<Json>([`${old}x`, old.slice(1), old.toUpperCase(), [old], `${old}\0`]);
  return draw.pick(UNEXPECTED);
}

type Parent = Json[] | { [key: string]: Json };

interface Member {
  readonly parent: Parent;
  readonly key: string;
  readonly depth: number;
}

const MOST_MEMBERS = 4000;

function membersOf(value: Json, depth = 1, found: Member[] = []): Member[] {
  if (typeof value !== "object" || value === null || depth > 8) return found;
  for (const key of Object.keys(value)) {
    if (found.length >= MOST_MEMBERS) break;
    found.push({ parent: value, key, depth });
    membersOf(get(value, key), depth + 1, found);
  }
  return found;
}

function get(parent: Parent, key: string): Json {
  return (parent as { [key: string]: Json })[key] ?? null;
}

/** Also "__proto__" as a key of its own. */
function set(parent: Parent, key: string, value: Json): void {
  const own = { value: copyOf(value), enumerable: true, configurable: true, writable: true };
  if (Array.isArray(parent) && !/^\d+$/.test(key)) parent.push(copyOf(value));
  else Object.defineProperty(parent, key, own);
}

function remove(parent: Parent, key: string): void {
  if (Array.isArray(parent)) parent.splice(Number(key), 1);
  else Reflect.deleteProperty(parent, key);
}

function copyOf(value: Json): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}
