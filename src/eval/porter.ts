// The Porter stemmer with the changes that NLTK makes to it by default (NLTK_EXTENSIONS), which is what
// rouge_score stems with. M. F. Porter 1980, "An algorithm for suffix stripping", Program 14(3); the
// changes are those of nltk/stem/porter.py.

/** A suffix, what replaces it, and what must hold for the stem left of it. */
type Rule = readonly [suffix: string, replacement: string, holds?: (stem: string) => boolean];

const IRREGULAR: ReadonlyMap<string, string> = new Map([
  ["sky", "sky"],
  ["skies", "sky"],
  ["dying", "die"],
  ["lying", "lie"],
  ["tying", "tie"],
  ["news", "news"],
  ["inning", "inning"],
  ["innings", "inning"],
  ["outing", "outing"],
  ["outings", "outing"],
  ["canning", "canning"],
  ["cannings", "canning"],
  ["howe", "howe"],
  ["proceed", "proceed"],
  ["exceed", "exceed"],
  ["succeed", "succeed"],
]);

/**
 * Stem of a word.
 * @param word lower case; letters other than a-z, and digits, count as consonants
 */
export function porterStem(word: string): string {
  const irregular = IRREGULAR.get(word);
  if (irregular !== undefined) return irregular;
  if (word.length <= 2) return word;
  return [
    plural,
    pastOrProgressive,
    finalY,
    doubleSuffix,
    singleSuffix,
    bareSuffix,
    finalE,
    doubleL,
  ].reduce((stem, step) => step(stem), word);
}

// A word as a string of c and v. Every condition of the paper is a question about that string.

/** One letter c (consonant) or v (vowel) a character: y is a vowel after a consonant. */
function soundsOf(word: string): string {
  let sounds = "";
  let vowel = true; // so that a first y is a consonant
  for (const letter of word) {
    vowel = letter === "y" ? !vowel : "aeiou".includes(letter);
    sounds += vowel ? "v" : "c";
  }
  return sounds;
}

/** The paper's m: how often a vowel is followed by a consonant. */
function measure(stem: string): number {
  return soundsOf(stem).split("vc").length - 1;
}

const measureAbove0 = (stem: string) => measure(stem) > 0;
const measureAbove1 = (stem: string) => measure(stem) > 1;

/** The paper's *o, and with NLTK also a whole stem of one vowel and one consonant. */
function endsShort(stem: string): boolean {
  const sounds = soundsOf(stem);
  return sounds === "vc" || (sounds.endsWith("cvc") && !/[wxy]$/.test(stem));
}

function endsInDoubleConsonant(stem: string): boolean {
  return stem.length >= 2 && stem.at(-1) === stem.at(-2) && soundsOf(stem).endsWith("c");
}

/** The first rule whose suffix matches decides, whether or not its condition holds. */
function applyFirst(rules: readonly Rule[], word: string): string {
  for (const [suffix, replacement, holds] of rules) {
    if (!word.endsWith(suffix)) continue;
    const stem = word.slice(0, word.length - suffix.length);
    return holds === undefined || holds(stem) ? stem + replacement : word;
  }
  return word;
}

// The steps, 1a to 5b of the paper.

const PLURAL: readonly Rule[] = [
  ["sses", "ss"],
  ["ies", "i"],
  ["ss", "ss"],
  ["s", ""],
];

function plural(word: string): string {
  if (word.length === 4 && word.endsWith("ies")) return word.slice(0, -1);
  return applyFirst(PLURAL, word);
}

const AFTER_ED_OR_ING: readonly Rule[] = [
  ["at", "ate"],
  ["bl", "ble"],
  ["iz", "ize"],
];

function pastOrProgressive(word: string): string {
  if (word.endsWith("ied")) return word.slice(0, word.length === 4 ? -1 : -2);
  if (word.endsWith("eed")) return measure(word.slice(0, -3)) > 0 ? word.slice(0, -1) : word;
  const suffix = ["ed", "ing"].find((ending) => word.endsWith(ending));
  if (suffix === undefined) return word;
  const stem = word.slice(0, -suffix.length);
  if (!soundsOf(stem).includes("v")) return word;
  const mended = applyFirst(AFTER_ED_OR_ING, stem);
  if (mended !== stem) return mended;
  if (endsInDoubleConsonant(stem)) return /[lsz]$/.test(stem) ? stem : stem.slice(0, -1);
  return measure(stem) === 1 && endsShort(stem) ? stem + "e" : stem;
}

const FINAL_Y: readonly Rule[] = [
  ["y", "i", (stem) => stem.length > 1 && soundsOf(stem).endsWith("c")],
];

function finalY(word: string): string {
  return applyFirst(FINAL_Y, word);
}

const DOUBLE_SUFFIX: readonly Rule[] = [
  ["ational", "ate", measureAbove0],
  ["tional", "tion", measureAbove0],
  ["enci", "ence", measureAbove0],
  ["anci", "ance", measureAbove0],
  ["izer", "ize", measureAbove0],
  ["bli", "ble", measureAbove0],
  ["alli", "al", measureAbove0],
  ["entli", "ent", measureAbove0],
  ["eli", "e", measureAbove0],
  ["ousli", "ous", measureAbove0],
  ["ization", "ize", measureAbove0],
  ["ation", "ate", measureAbove0],
  ["ator", "ate", measureAbove0],
  ["alism", "al", measureAbove0],
  ["iveness", "ive", measureAbove0],
  ["fulness", "ful", measureAbove0],
  ["ousness", "ous", measureAbove0],
  ["aliti", "al", measureAbove0],
  ["iviti", "ive", measureAbove0],
  ["biliti", "ble", measureAbove0],
  ["fulli", "ful", measureAbove0],
  ["logi", "log", (stem) => measureAbove0(stem + "l")],
];

function doubleSuffix(word: string): string {
  const replaced = applyFirst(DOUBLE_SUFFIX, word);
  // NLTK goes round again after -alli: conditionalli, conditional, condition.
  return word.endsWith("alli") && replaced !== word ? doubleSuffix(replaced) : replaced;
}

const SINGLE_SUFFIX: readonly Rule[] = [
  ["icate", "ic", measureAbove0],
  ["ative", "", measureAbove0],
  ["alize", "al", measureAbove0],
  ["iciti", "ic", measureAbove0],
  ["ical", "ic", measureAbove0],
  ["ful", "", measureAbove0],
  ["ness", "", measureAbove0],
];

function singleSuffix(word: string): string {
  return applyFirst(SINGLE_SUFFIX, word);
}

const BARE_SUFFIX: readonly Rule[] = [
  ["al", "", measureAbove1],
  ["ance", "", measureAbove1],
  ["ence", "", measureAbove1],
  ["er", "", measureAbove1],
  ["ic", "", measureAbove1],
  ["able", "", measureAbove1],
  ["ible", "", measureAbove1],
  ["ant", "", measureAbove1],
  ["ement", "", measureAbove1],
  ["ment", "", measureAbove1],
  ["ent", "", measureAbove1],
  ["ion", "", (stem) => measureAbove1(stem) && /[st]$/.test(stem)],
  ["ou", "", measureAbove1],
  ["ism", "", measureAbove1],
  ["ate", "", measureAbove1],
  ["iti", "", measureAbove1],
  ["ous", "", measureAbove1],
  ["ive", "", measureAbove1],
  ["ize", "", measureAbove1],
];

function bareSuffix(word: string): string {
  return applyFirst(BARE_SUFFIX, word);
}

const FINAL_E: readonly Rule[] = [
  ["e", "", (stem) => measure(stem) > 1 || (measure(stem) === 1 && !endsShort(stem))],
];

function finalE(word: string): string {
  return applyFirst(FINAL_E, word);
}

const DOUBLE_L: readonly Rule[] = [["ll", "l", (stem) => measureAbove1(stem + "l")]];

function doubleL(word: string): string {
  return applyFirst(DOUBLE_L, word);
}
