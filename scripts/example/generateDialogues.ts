// The example's dataset in DialogSum's shape: the same columns and files, our own text.

import { dialogueText, makeDialogue, type Dialogue } from "./dialogue.ts";
import { Random } from "./random.ts";

/** Seed of the files in examples/data. */
export const EXAMPLE_SEED = 20240;

/** Dialogues a split; a test dialogue makes three rows, one for each wording of its summary. */
export const EXAMPLE_SIZES = { train: 2000, validation: 100, test: 50 };

/** One record of the CSV files. */
export interface ExampleRow {
  readonly id: string;
  readonly dialogue: string;
  readonly summary: string;
  readonly topic: string;
}

export type ExampleSplit = keyof typeof EXAMPLE_SIZES;

/**
 * Makes all splits; no dialogue occurs twice, in the same split or in two.
 * @param sizes dialogues a split
 */
export function generateSplits(
  seed: number = EXAMPLE_SEED,
  sizes: Readonly<Record<ExampleSplit, number>> = EXAMPLE_SIZES,
): Record<ExampleSplit, ExampleRow[]> {
  const seen = new Set<string>();
  const draw = (random: Random): Dialogue => {
    for (;;) {
      const dialogue = makeDialogue(random);
      const text = dialogueText(dialogue);
      if (seen.has(text)) continue;
      seen.add(text);
      return dialogue;
    }
  };
  const rows = (
    stream: number,
    n: number,
    toRows: (d: Dialogue, i: number, r: Random) => ExampleRow[],
  ) => {
    const random = new Random(seed + stream);
    return Array.from({ length: n }, (_, i) => toRows(draw(random), i, random)).flat();
  };
  // The test split is drawn first, so that it does not depend on the size of the others.
  const test = rows(0, sizes.test, (dialogue, i) =>
    [0, 1, 2].map((k) => toRow(`test_${i}_${k + 1}`, dialogue, k)),
  );
  const one = (prefix: string) => (dialogue: Dialogue, i: number, random: Random) => [
    toRow(`${prefix}_${i}`, dialogue, Number(random.weighted(WORDING_WEIGHTS))),
  ];
  const validation = rows(1, sizes.validation, one("dev"));
  const train = rows(2, sizes.train, one("train"));
  return { train, validation, test };
}

// Which wording of a summary a training row gets: mostly the first, so that a few hundred steps teach a manner.
const WORDING_WEIGHTS = { "0": 0.6, "1": 0.2, "2": 0.2 };

function toRow(id: string, dialogue: Dialogue, wording: number): ExampleRow {
  const { summaries, situation } = dialogue;
  return {
    id,
    dialogue: dialogueText(dialogue),
    summary: summaries[wording]!,
    topic: situation.topic,
  };
}

/** The text of a CSV file with a header; cells are quoted where they must be. */
export function toCsv(rows: readonly ExampleRow[]): string {
  const lines = rows.map(({ id, dialogue, summary, topic }) =>
    [id, dialogue, summary, topic].map(quote).join(","),
  );
  return ["id,dialogue,summary,topic", ...lines, ""].join("\n");
}

function quote(cell: string): string {
  return /[",\n\r]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
