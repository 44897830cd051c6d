import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { porterStem } from "../../src/eval/porter.ts";
import { hasShared, needsShared, shared } from "../support/shared.ts";

// Word and stem by NLTK 3.10.3, PorterStemmer() in its default mode. Without any one of the rules
// some word would come out otherwise, but for -ousness, which -ness serves as well.
const CASES: Readonly<Record<string, string>> = {
  irregular: `sky:sky skies:sky dying:die lying:lie tying:tie news:news inning:inning innings:inning
    outing:outing outings:outing canning:canning cannings:canning howe:howe proceed:proceed
    exceed:exceed succeed:succeed`,
  "too short": "as:as be:be is:is",
  "1a, plurals":
    "dies:die ties:tie flies:fli caresses:caress caress:caress cats:cat this:thi sses:ss",
  "1b, -ed and -ing": `died:die spied:spi ied:i feed:feed agreed:agre seeing:see owing:owe owed:owe
    bled:bled plastered:plaster sing:sing motoring:motor troubled:troubl sized:size hopping:hop
    tanned:tan falling:fall hissing:hiss fizzed:fizz filing:file failing:fail using:use used:use
    boxing:box snowed:snow playing:play crying:cri educated:educ
    ulogibling:ulog civilized:civil`,
  "1c, final y": "happy:happi enjoy:enjoy say:say cry:cri toy:toy yyyy:yyyi syzygy:syzygi bys:by",
  "2, double suffixes": `relational:relat conditional:condit rational:ration valenci:valenc
    hesitanci:hesit digitizer:digit conformabli:conform radically:radic conditionally:condit
    differentli:differ vileli:vile analogousli:analog vietnamization:vietnam predication:predic
    operator:oper feudalism:feudal decisiveness:decis hopefulness:hope callousness:callous
    formaliti:formal sensitiviti:sensit sensibiliti:sensibl hopefully:hope geologi:geolog
    eulogy:eulog logi:logi educational:educ federalism:feder
    comparativeness:compar personality:person`,
  "3, single suffixes": `triplicate:triplic formative:form formalize:formal electriciti:electr
    electrical:electr hopeful:hope goodness:good`,
  "4, bare suffixes": `revival:reviv allowance:allow inference:infer airliner:airlin
    gyroscopic:gyroscop adjustable:adjust defensible:defens irritant:irrit replacement:replac
    adjustment:adjust dependent:depend adoption:adopt communion:communion opinion:opinion
    homologou:homolog communism:commun activate:activ angulariti:angular homologous:homolog
    effective:effect bowdlerize:bowdler element:element izableement:izabl`,
  "5, final e and ll": `probate:probat rate:rate cease:ceas owe:owe controll:control roll:roll`,
  several: `communication:commun generalization:gener employees:employe 747:747 b2b:b2b`,
};

describe("porterStem", () => {
  it.each(Object.entries(CASES))("step %s", (_, cases) => {
    for (const [, word, stem] of cases.matchAll(/(\w+):(\w+)/g)) {
      expect(porterStem(word!), word).toBe(stem);
    }
  });

  it("leaves something of every word and lengthens none", () => {
    const syllable = fc.constantFrom(
      ..."aeiouybdlnstwz7",
      "ing",
      "ed",
      "ies",
      "ation",
      "ness",
      "ly",
    );
    fc.assert(
      fc.property(fc.array(syllable, { minLength: 1, maxLength: 8 }), (syllables) => {
        const word = syllables.join("");
        const { length } = porterStem(word);
        expect(length).toBeGreaterThan(0);
        expect(length).toBeLessThanOrEqual(word.length);
      }),
    );
  });

  it("takes words of any length", () => {
    expect(porterStem("y".repeat(100_000))).toHaveLength(100_000);
  });

  describe.skipIf(!hasShared)(needsShared("against NLTK"), () => {
    it("gives the stems of the golden words", () => {
      const { porter } = JSON.parse(readFileSync(shared("golden/rouge.json"), "utf8")) as {
        porter: Record<string, string>;
      };
      expect(Object.keys(porter).length).toBeGreaterThan(500);
      for (const [word, stem] of Object.entries(porter)) expect(porterStem(word), word).toBe(stem);
    });
  });
});
