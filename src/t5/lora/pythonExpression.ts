// Python's regular expressions, in which peft's files name layers, as JavaScript's. What both read alike is taken as it is,
// what they write differently is translated, and what only one of them has is refused: a layer must never be chosen by an
// expression that means something else in Python.

/** Letters that may follow a backslash in both, with the same meaning for names of layers, which are ASCII. */
const SHARED_ESCAPES = "bBdDsSwWfnrtvxu";
/** `(?i)` and the like at the beginning, of what JavaScript has or what changes nothing for ASCII texts. */
const FLAGS = /^(?:\(\?[aimsu]+\))*/;
const GROUP = /^\(\?(?:[:=!]|<[=!]|-?[ims]+(?:-[ims]+)?:)/;
const QUANTIFIER = /^(?:[*+?]|\{(\d*)(,?)(\d*)\})/;

/**
 * An expression that matches where Python's `re.match` would: at the beginning of a name.
 * @throws {SyntaxError} saying what cannot be read
 */
export function pythonMatch(source: string): RegExp {
  const flags = FLAGS.exec(source)![0];
  const own = new Set([...flags].filter((letter) => "ims".includes(letter)));
  const body = translate(source.slice(flags.length));
  new RegExp(body); // alone, so that "a)(b" does not close the group around it
  return new RegExp(`^(?:${body})`, [...own].join(""));
}

/**
 * The same for `re.fullmatch`: the whole name.
 * @throws {SyntaxError} saying what cannot be read
 */
export function pythonFullMatch(source: string): RegExp {
  const flags = FLAGS.exec(source)![0];
  pythonMatch(source); // alone: "a)(b" must not close the group around it
  return pythonMatch(`${flags}(?:${source.slice(flags.length)})\\Z`);
}

function translate(source: string): string {
  let result = "";
  for (let at = 0; at < source.length;) {
    const [taken, written] = nextPart(source.slice(at));
    result += written;
    at += taken;
  }
  return result;
}

/** How many characters the first part of `rest` has, and what JavaScript writes for it. */
function nextPart(rest: string): readonly [number, string] {
  if (rest.startsWith("\\")) return escape(rest);
  if (rest.startsWith("[")) return characterClass(rest);
  if (rest.startsWith("(?")) return group(rest);
  const quantifier = QUANTIFIER.exec(rest);
  if (quantifier !== null && quantifier[0] !== "{}") return repetition(rest, quantifier);
  // An unpaired brace stands for itself in both.
  return [1, "{}]".includes(rest[0]!) ? `\\${rest[0]!}` : rest[0]!];
}

function escape(rest: string): readonly [number, string] {
  const letter = rest[1];
  if (letter === undefined) throw new SyntaxError("\\ at the end");
  if (letter === "A") return [2, "^"];
  if (letter === "Z") return [2, "$"];
  if (letter === "a") return [2, "\\x07"];
  // A group that matched nothing is the empty text to a JavaScript reference and no match to Python's; the rest are octals.
  if (/\d/.test(letter)) throw only(`\\${letter}`);
  if (/[A-Za-z]/.test(letter) && !SHARED_ESCAPES.includes(letter)) throw only(`\\${letter}`);
  if (letter === "x" || letter === "u") {
    const code = /^\\(?:x[\da-f]{2}|u[\da-f]{4})/i.exec(rest);
    if (code === null) throw new SyntaxError(`\\${letter} without its digits`);
    return [code[0].length, code[0]];
  }
  return [2, rest.slice(0, 2)];
}

function characterClass(rest: string): readonly [number, string] {
  // A ] at the beginning stands for itself in Python; JavaScript's class would be empty.
  const open = /^\[\^?/.exec(rest)![0];
  let at = open.length;
  let result = open;
  while (at === open.length || rest[at] !== "]") {
    if (at >= rest.length) throw new SyntaxError("[ without ]");
    if (rest[at] === "\\") {
      if (/[ABZ]/.test(rest[at + 1] ?? "")) throw only(`\\${rest[at + 1]} between [ and ]`);
      const [taken, written] = escape(rest.slice(at));
      result += written;
      at += taken;
    } else {
      result += rest[at] === "]" || rest[at] === "[" ? `\\${rest[at]}` : rest[at];
      at++;
    }
  }
  return [at + 1, `${result}]`];
}

function group(rest: string): readonly [number, string] {
  const named = /^\(\?P<([A-Za-z_]\w*)>/.exec(rest);
  if (named !== null) return [named[0].length, `(?<${named[1]!}>`];
  const comment = /^\(\?#[^)]*\)/.exec(rest);
  if (comment !== null) return [comment[0].length, ""];
  const shared = GROUP.exec(rest);
  if (shared !== null) return [shared[0].length, shared[0]];
  throw only(/^\(\?(?:\w+|[^\w)])?/.exec(rest)![0]);
}

function repetition(rest: string, quantifier: RegExpExecArray): readonly [number, string] {
  const [text, least, comma, most] = quantifier as unknown as [string, string?, string?, string?];
  // Python 3.11's possessive quantifiers; JavaScript would say "nothing to repeat".
  if (rest[text.length] === "+") throw only(`${text}+`);
  const lazy = rest[text.length] === "?" ? "?" : "";
  const taken = text.length + lazy.length;
  if (!text.startsWith("{")) return [taken, text + lazy];
  return [taken, `{${least || "0"}${comma ?? ""}${most ?? ""}}${lazy}`];
}

function only(part: string): SyntaxError {
  return new SyntaxError(`${part} is not in both languages`);
}
