// Python's regular expressions, in which peft's files name layers. They come from strangers: they are matched in linear time
// (src/model/expressions).

import { LinearExpression } from "../../model/expressions/linearExpression.ts";

/**
 * An expression that matches where Python's `re.match` would: at the beginning of a name.
 * @throws {SyntaxError} saying what cannot be read
 */
export function pythonMatch(source: string): LinearExpression {
  const known = read.get(source);
  if (known !== undefined) return known;
  const expression = new LinearExpression(source);
  if (read.size >= MOST_READ) read.clear();
  read.set(source, expression);
  return expression;
}

/** An adapter names some expressions, each of which is asked about every layer. */
const read = new Map<string, LinearExpression>();
const MOST_READ = 2000;

const FLAGS = /^(?:\(\?[aimsu]+\))*/;

/**
 * The same for `re.fullmatch`: the whole name.
 * @throws {SyntaxError} saying what cannot be read
 */
export function pythonFullMatch(source: string): LinearExpression {
  const flags = FLAGS.exec(source)![0];
  pythonMatch(source); // alone: "a)(b" must not close the group around it
  return pythonMatch(`${flags}(?:${source.slice(flags.length)})\\Z`);
}
