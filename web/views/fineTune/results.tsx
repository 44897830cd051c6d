// ROUGE of the evaluations, and summaries before and after.

import type { ComponentChild } from "preact";
import type { LogLine } from "../../protocol/training.ts";
import { log, samples } from "../../state/training.ts";

const TYPES = [
  ["rouge1", "ROUGE-1"],
  ["rouge2", "ROUGE-2"],
  ["rougeL", "ROUGE-L"],
  ["rougeLsum", "ROUGE-Lsum"],
] as const;

export function Evaluation(): ComponentChild {
  const lines = log.value.filter((line) => line["eval_rouge1"] !== undefined);
  if (lines.length === 0) return null;
  const [first, last] = [lines[0]!, lines.at(-1)!];
  return (
    <section aria-labelledby="rouge-title">
      <h3 id="rouge-title">Evaluation</h3>
      <div class="scroll">
        <table class="narrow" data-testid="rouge">
          <thead>
            <tr>
              <td />
              <th scope="col" class="number">
                update {first.step}
              </th>
              <th scope="col" class="number">
                update {last.step}
              </th>
            </tr>
          </thead>
          <tbody>
            {TYPES.map(([key, title]) => (
              <Row
                key={key}
                title={title}
                cells={[first, last].map((line) => percent(line, key))}
              />
            ))}
            <Row
              title="Loss"
              cells={[first, last].map((line) => line["eval_loss"]?.toFixed(3) ?? "–")}
            />
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Row({ title, cells }: { title: string; cells: readonly string[] }): ComponentChild {
  return (
    <tr>
      <th scope="row">{title}</th>
      {cells.map((cell, i) => (
        <td key={i} class="number">
          {cell}
        </td>
      ))}
    </tr>
  );
}

function percent(line: LogLine, key: string): string {
  const value = line[`eval_${key}`];
  return value === undefined ? "–" : (100 * value).toFixed(1);
}

export function Samples(): ComponentChild {
  if (samples.value.length === 0) return null;
  return (
    <section aria-labelledby="samples-title">
      <h3 id="samples-title">Summaries before and after</h3>
      {samples.value.map(({ dialogue, reference, before, after }, i) => (
        <article class="sample" key={i} aria-label={`Dialogue ${i + 1}`}>
          <details>
            <summary>Dialogue {i + 1}</summary>
            <p class="source">{dialogue}</p>
          </details>
          <dl class="sides">
            <Side title="Reference" text={reference} />
            <Side title="Before" text={before} />
            <Side
              title="After"
              text={after ?? "comes with the end of the run"}
              isPending={after === null}
            />
          </dl>
        </article>
      ))}
    </section>
  );
}

interface SideProps {
  readonly title: string;
  readonly text: string;
  readonly isPending?: boolean;
}

function Side({ title, text, isPending = false }: SideProps): ComponentChild {
  return (
    <div>
      <dt>{title}</dt>
      <dd class={isPending ? "placeholder" : ""}>{text || "(nothing)"}</dd>
    </div>
  );
}
