// Cuts text at the matches of a pattern, with the five behaviours of the Rust tokenizers.

import { slice, type Normalized } from "./normalized.ts";

export const BEHAVIORS = [
  "Removed",
  "Isolated",
  "MergedWithPrevious",
  "MergedWithNext",
  "Contiguous",
] as const;
/** What becomes of a match: dropped, a piece of its own, part of a neighbour, or joined with adjoining matches. */
export type Behavior = (typeof BEHAVIORS)[number];

interface Span {
  readonly start: number;
  readonly end: number;
  readonly isMatch: boolean;
}

/** @param invert takes what the pattern leaves out for the matches */
export function splitBy(
  input: Normalized,
  pattern: RegExp,
  behavior: Behavior,
  invert = false,
): Normalized[] {
  const spans = spansOf(input.text, pattern, invert);
  return merge(spans, behavior)
    .filter(({ start, end }) => end > start)
    .map(({ start, end }) => slice(input, start, end));
}

function spansOf(text: string, pattern: RegExp, invert: boolean): Span[] {
  const spans: Span[] = [];
  let from = 0;
  for (const match of text.matchAll(pattern)) {
    const end = match.index + match[0].length;
    if (match.index > from) spans.push({ start: from, end: match.index, isMatch: invert });
    spans.push({ start: match.index, end, isMatch: !invert });
    from = end;
  }
  if (from < text.length) spans.push({ start: from, end: text.length, isMatch: invert });
  return spans;
}

function merge(spans: readonly Span[], behavior: Behavior): readonly Span[] {
  switch (behavior) {
    case "Removed":
      return spans.filter(({ isMatch }) => !isMatch);
    case "Isolated":
      return spans;
    case "Contiguous":
      return joined(spans, (before, span) => before.isMatch === span.isMatch);
    case "MergedWithPrevious":
      return joined(spans, (before, span) => span.isMatch && !before.isMatch);
    case "MergedWithNext":
      return joined(spans, (before, span) => before.isMatch && !span.isMatch);
  }
}

/** Joins a span to the one before it where `belongs` says so of the two. */
function joined(spans: readonly Span[], belongs: (before: Span, span: Span) => boolean): Span[] {
  const result: Span[] = [];
  spans.forEach((span, i) => {
    const before = spans[i - 1];
    if (before !== undefined && belongs(before, span)) {
      const last = result.pop()!;
      result.push({ ...last, end: span.end });
    } else {
      result.push(span);
    }
  });
  return result;
}
