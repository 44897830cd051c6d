// How much work a pattern of a tokenizer can make. V8 tries one way after another: where a repeated group can match a text in
// several ways, their number doubles with each character, and a pattern of ten letters runs for years on a line of text. Such patterns
// are refused before they meet one. What is left takes at most a power of the text's length that the number of open repetitions limits.

/** Open repetitions (`*`, `+`, `{2,}`) that may stand one behind another. Those of known tokenizers have two. */
const MOST_OPEN = 3;

const GROUP = /\((?:\?(?:[:=!]|<[=!]|<[^>]*>|[a-z-]*:))?/y;
const QUANTIFIER = /(?:[*+?]|\{(\d+)(,?)(\d*)\})\??/y;
const ATOM = /\\(?:[pPu]\{[^}]*\}|k<[^>]*>|.)|[^]/y;

interface Part {
  /** Whether it can match texts of several lengths, or one text in several ways. */
  readonly varies: boolean;
  /** Open repetitions one behind another. */
  readonly open: number;
}

/**
 * Says what makes a pattern too much work; null where nothing does.
 * @param source of a RegExp with the flag u, which is therefore well formed
 */
export function unboundedWork(source: string): string | null {
  let at = 0;
  let fault: string | null = null;

  const take = (expression: RegExp): RegExpExecArray | null => {
    expression.lastIndex = at;
    const match = expression.exec(source);
    if (match) at += match[0].length;
    return match;
  };

  const choice = (): Part => {
    const branches = [sequence()];
    while (source[at] === "|") {
      at++;
      branches.push(sequence());
    }
    return {
      varies: branches.length > 1 || branches[0]!.varies,
      open: Math.max(...branches.map(({ open }) => open)),
    };
  };

  const sequence = (): Part => {
    let [varies, open] = [false, 0];
    while (at < source.length && source[at] !== "|" && source[at] !== ")") {
      const part = item();
      varies ||= part.varies;
      open += part.open;
    }
    return { varies, open };
  };

  const item = (): Part => {
    const begin = at;
    let inner: Part = { varies: false, open: 0 };
    if (take(GROUP)) {
      inner = choice();
      at++; // the )
    } else if (source[at] === "[") skipClass();
    else take(ATOM);
    const quantifier = take(QUANTIFIER);
    if (quantifier === null) return inner;
    const [text, low, comma, high] = quantifier;
    const most =
      low === undefined ? (text.startsWith("?") ? 1 : Infinity) : mostOf(low, comma, high);
    if (most > 1 && inner.varies)
      fault ??= `no repetition of a group that repeats or chooses, got ${source.slice(begin, at)}`;
    const isFixed = low !== undefined && Number(low) === most;
    return { varies: inner.varies || !isFixed, open: inner.open + (most === Infinity ? 1 : 0) };
  };

  const skipClass = (): void => {
    for (at++; source[at] !== "]"; take(ATOM));
    at++;
  };

  const { open } = choice();
  if (open > MOST_OPEN)
    fault ??= `at most ${MOST_OPEN} open repetitions one behind another, got ${open}`;
  return fault;
}

function mostOf(low: string, comma: string | undefined, high: string | undefined): number {
  if (comma !== ",") return Number(low);
  return high ? Number(high) : Infinity;
}
