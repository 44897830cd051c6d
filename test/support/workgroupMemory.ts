// Finds accesses of workgroup memory that no barrier keeps apart, in the text of a shader. A workgroup of SwiftShader's runs
// in lock step between barriers, so a barrier that is missing shows on GPUs alone.
//
// Calls are followed; of an `if` both ways are taken; loops go round twice, those with barriers at least once. What
// `return`, `break` and `continue` leave out counts as run. Two accesses of one array, one of them a write, meet unless
//   - a barrier lies between them on every way,
//   - both use the index `local`: every invocation has an element of its own,
//   - both write by the same index, but for a constant added: elements that are written twice are not found,
//   - both are the same atomic operation,
//   - they are of one step of a reduction: under `if (... < half)` elements from `local` and from `local + half` on.

type Node =
  | { readonly kind: "block"; readonly body: readonly Node[] }
  | { readonly kind: "statement"; readonly text: string }
  | { readonly kind: "if"; readonly condition: string; readonly ways: readonly Node[] }
  | { readonly kind: "for"; readonly head: readonly string[]; readonly body: Node };

/** What follows the target of an assignment, whole or of one component. */
const ASSIGNMENT = /^(?:\.\w+)?\s*([-+*/|&^]?=)(?!=)/;
/** Names that are called, indexed, or whose address is taken. */
const NAMES = /\b(\w+)\b(?=\s*(?:[[(]|<.*>\())|&(\w+)/g;

interface Access {
  readonly array: string;
  readonly index: string;
  readonly writes: boolean;
  readonly text: string;
  /** Number of the step of a reduction; null outside. */
  readonly step: number | null;
  /** The atomic function that it is an argument of. */
  readonly atomic: string | undefined;
}

/** Pairs of accesses that meet, as "array: earlier text | later text", each once. */
export function racesOf(source: string): string[] {
  const text = source.replace(/\/\*[^]*?\*\/|\/\/.*/g, "");
  const arrays = [...text.matchAll(/var<workgroup>\s+(\w+)/g)].map((match) => match[1]!);
  const functions = new Map<string, Node>();
  for (const match of text.matchAll(/\bfn (\w+)\(/g)) {
    const parameters = closing(text, match.index + match[0].length - 1);
    functions.set(match[1]!, parseBlock(text, text.indexOf("{", parameters)).node);
  }
  const races = new Set<string>();
  const walker = new Walker(arrays, functions, races);
  walker.visit(functions.get("main")!, null);
  return [...races];
}

/** Place of the bracket that closes the one at `open`. */
function closing(text: string, open: number): number {
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    if ("([{".includes(text[at]!)) depth++;
    else if (")]}".includes(text[at]!) && --depth === 0) return at;
  }
  throw new Error(`no bracket closes the one at ${open}: ${text.slice(open, open + 40)}`);
}

interface Parsed {
  readonly node: Node;
  readonly end: number;
}

function parseBlock(text: string, open: number): Parsed {
  const end = closing(text, open);
  const body: Node[] = [];
  let at = open + 1;
  while (text.slice(at, end).trim() !== "") {
    const parsed = parseStatement(text, at + /^\s*/.exec(text.slice(at))![0].length);
    body.push(parsed.node);
    at = parsed.end;
  }
  return { node: { kind: "block", body }, end: end + 1 };
}

function parseStatement(text: string, at: number): Parsed {
  const keyword = /^(if|for|while|loop|switch)\b\s*/.exec(text.slice(at, at + 20));
  if (text[at] === "{") return parseBlock(text, at);
  if (keyword === null) {
    const end = text.indexOf(";", at);
    return { node: { kind: "statement", text: text.slice(at, end).trim() }, end: end + 1 };
  }
  const open = at + keyword[0].length;
  const close = closing(text, open);
  const head = text.slice(open + 1, close);
  const body = parseBlock(text, text.indexOf("{", close));
  if (keyword[1] === "for") {
    return { node: { kind: "for", head: head.split(";"), body: body.node }, end: body.end };
  }
  if (keyword[1] !== "if")
    throw new Error(`${keyword[1]}: not known here. Teach parseStatement it.`);
  const otherwise = /^\s*else\s*/.exec(text.slice(body.end));
  if (otherwise === null) {
    const empty: Node = { kind: "block", body: [] };
    return { node: { kind: "if", condition: head, ways: [body.node, empty] }, end: body.end };
  }
  const other = parseStatement(text, body.end + otherwise[0].length);
  return { node: { kind: "if", condition: head, ways: [body.node, other.node] }, end: other.end };
}

class Walker {
  /** Accesses since the last barrier, on any way. */
  #recent: readonly Access[] = [];
  #steps = 0;
  readonly #arrays: readonly string[];
  readonly #functions: ReadonlyMap<string, Node>;
  readonly #races: Set<string>;

  constructor(arrays: readonly string[], functions: ReadonlyMap<string, Node>, races: Set<string>) {
    this.#arrays = arrays;
    this.#functions = functions;
    this.#races = races;
  }

  visit(node: Node, step: number | null): void {
    switch (node.kind) {
      case "block":
        for (const each of node.body) this.visit(each, step);
        break;
      case "statement":
        this.#statement(node.text, step);
        break;
      case "if":
        this.#branch(node.condition, node.ways, step);
        break;
      case "for":
        this.#statement(node.head[0]!, step);
        for (let round = 0; round < 2; round++) {
          this.#statement(node.head[1]!, step);
          this.visit(node.body, step);
          this.#statement(node.head[2]!, step);
        }
    }
  }

  #branch(condition: string, ways: readonly Node[], step: number | null): void {
    const own = /< half\b/.test(condition) ? ++this.#steps : step;
    this.#statement(condition, own);
    const before = this.#recent;
    const after = new Set<Access>();
    for (const way of ways) {
      this.#recent = before;
      this.visit(way, own);
      for (const access of this.#recent) after.add(access);
    }
    this.#recent = [...after];
  }

  /** Reads and calls from left to right, then what is assigned to. */
  #statement(text: string, step: number | null): void {
    let written: Access | null = null;
    for (const match of text.matchAll(NAMES)) {
      const name = (match[1] ?? match[2])!;
      const body = this.#functions.get(name);
      if (name === "workgroupBarrier" || name === "workgroupUniformLoad") this.#recent = [];
      else if (body !== undefined) this.visit(body, null);
      else if (this.#arrays.includes(name)) {
        const after = text.slice(match.index + match[0].length).trimStart();
        const end = after.startsWith("[") ? closing(after, 0) : -1;
        const index = end < 0 ? "" : after.slice(1, end).trim();
        const atomic = /\batomic(\w+)\($/.exec(text.slice(0, match.index))?.[1];
        const access = { array: name, index, text, step, atomic };
        const operator =
          text.startsWith("subgroupMatrixStore") || (atomic !== undefined && atomic !== "Load")
            ? "="
            : match.index === 0 && ASSIGNMENT.exec(after.slice(end + 1))?.[1];
        if (operator) written = { ...access, writes: true };
        if (operator !== "=") this.#add({ ...access, writes: false });
      }
    }
    if (written !== null) this.#add(written);
    // It is a barrier on both sides of its load.
    if (text.includes("workgroupUniformLoad(")) this.#recent = [];
  }

  #add(access: Access): void {
    for (const earlier of this.#recent) {
      if (!meet(earlier, access)) continue;
      this.#races.add(`${access.array}: ${earlier.text} | ${access.text}`);
    }
    const same = (each: Access): boolean =>
      each.text === access.text &&
      each.writes === access.writes &&
      each.index === access.index &&
      each.step === access.step;
    if (!this.#recent.some(same)) this.#recent = [...this.#recent, access];
  }
}

function meet(a: Access, b: Access): boolean {
  if (a.array !== b.array || !(a.writes || b.writes)) return false;
  if (a.index === "local" && b.index === "local") return false;
  if (a.atomic !== undefined && a.atomic === b.atomic) return false;
  const base = ({ index }: Access): string => index.replace(/ \+ \d+u$/, "");
  if (a.writes && b.writes && base(a) === base(b)) return false;
  if (a.step === null || a.step !== b.step) return true;
  const isUpper = (x: Access): boolean => x.index.startsWith("local + half");
  return !((isUpper(a) && b.index === "local") || (isUpper(b) && a.index === "local"));
}
