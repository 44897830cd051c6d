// README.md of a trained model: the sections that transformers' Trainer writes, in its words and order, and how to load
// the model. What only people know stands as "More information needed".

import { isNode } from "../../tensor/runtime.ts";
import { VERSION } from "../../tensor/version.ts";
import type { Metrics } from "../speed.ts";
import { cardMetadata, type CardFacts } from "./metadata.ts";
import type { ResultLine } from "./history.ts";
import { roundedFloat } from "./pythonNumbers.ts";
import { usageSection } from "./usage.ts";

/** What a card tells besides its head. */
export interface CardContent extends CardFacts {
  /** What training began with, for readers: `baseModel`, or the name of a folder; null for random weights. */
  readonly origin: string | null;
  readonly hyperparameters: ReadonlyMap<string, string>;
  readonly lines: readonly ResultLine[] | null;
  /** What `evaluation` was made on. */
  readonly split: string;
  /** How the model is called where it is loaded: a Hub id. */
  readonly usedAs: string;
  readonly prompt: string | null;
}

/** Stands in cards that nobody has read yet; who takes it out has made the card their own. */
export const UNREAD_MARK =
  "<!-- This model card has been generated automatically according to the information the Trainer had access to. You\n" +
  "should probably proofread and complete it, then remove this comment. -->";

const UNKNOWN = "More information needed\n";

/**
 * The text of README.md.
 * @throws {ArgumentError} for what the Hub refuses in a card
 */
export async function cardText(content: CardContent): Promise<string> {
  const { stringify } = await import("yaml");
  const head = stringify(cardMetadata(content), { lineWidth: 0, indentSeq: false });
  const { usedAs: id, isAdapter, prompt } = content;
  const sections = [
    `---\n${head}---\n\n${UNREAD_MARK}\n`,
    `# ${content.modelName}\n`,
    introduction(content),
    `## Model description\n\n${UNKNOWN}`,
    `## Intended uses & limitations\n\n${UNKNOWN}`,
    `## Training and evaluation data\n\n${UNKNOWN}`,
    usageSection({ id, isAdapter, prompt }),
    "## Training procedure\n",
    hyperparameterSection(content.hyperparameters),
    ...(content.lines === null ? [] : [`### Training results\n\n${resultTable(content.lines)}\n`]),
    `### Framework versions\n\n${versions()}`,
  ];
  return sections.join("\n");
}

function introduction({ origin, baseModel, datasets, evaluation, split }: CardContent): string {
  const from =
    origin === null
      ? "This model was trained from scratch on"
      : `This model is a fine-tuned version of ${baseModel === null ? origin : `[${origin}](https://huggingface.co/${origin})`} on`;
  const results =
    evaluation === null
      ? ""
      : `It achieves the following results on the ${split} set:\n${resultList(evaluation)}`;
  return `${from} ${dataSentence(datasets.map(({ name }) => name))}\n${results}`;
}

function dataSentence(names: readonly string[]): string {
  if (names.length === 0) return "an unknown dataset.";
  if (names.length === 1) return `the ${names[0]} dataset.`;
  const first = names.slice(0, -1).map((name) => `the ${name}`);
  return `${first.join(", ")} and the ${names.at(-1)} datasets.`;
}

function resultList(evaluation: Metrics): string {
  const lines = Object.entries(evaluation).map(
    ([name, value]) => `- ${name}: ${roundedFloat(value)}\n`,
  );
  return lines.join("");
}

function hyperparameterSection(hyperparameters: ReadonlyMap<string, string>): string {
  const lines = [...hyperparameters].map(([name, value]) => `- ${name}: ${value}\n`);
  return (
    "### Training hyperparameters\n\n" +
    `The following hyperparameters were used during training:\n${lines.join("")}`
  );
}

/** transformers' make_markdown_table: a column for each heading of the first line, "" without lines. */
function resultTable(lines: readonly ResultLine[]): string {
  const headings = Object.keys(lines[0] ?? {});
  if (headings.length === 0) return "";
  const rows = lines.map((line) => headings.map((heading) => cell(heading, line[heading])));
  const widths = headings.map((heading, i) =>
    Math.max(heading.length, ...rows.map((row) => row[i]!.length)),
  );
  const toLine = (cells: readonly string[]): string =>
    `${cells.map((text, i) => `| ${text.padEnd(widths[i]!)} `).join("")}|\n`;
  const rule = `${widths.map((width) => `|:${"-".repeat(width)}:`).join("")}|\n`;
  return toLine(headings) + rule + rows.map(toLine).join("");
}

function cell(heading: string, value: number | "No log" | undefined): string {
  if (value === undefined) return "";
  if (typeof value === "string") return value;
  return heading === "Step" ? String(value) : roundedFloat(value);
}

function versions(): string {
  const runtime = isNode ? `- Node ${process.versions.node}\n` : "";
  return `- Gradloom ${VERSION}\n${runtime}`;
}
