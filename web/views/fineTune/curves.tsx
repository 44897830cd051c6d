// The curves of a run: loss, learning rate, tokens a second, ROUGE.

import type { ComponentChild } from "preact";
import type { LogLine } from "../../protocol/training.ts";
import { log, maxSteps, speeds } from "../../state/training.ts";
import { Chart, type Curve } from "../chart.tsx";

export function Curves(): ComponentChild {
  const lines = log.value;
  const last = maxSteps.value;
  const rouge = (["rouge1", "rouge2", "rougeL"] as const)
    .map((type) => curve(lines, `eval_${type}`, type))
    .filter(({ points }) => points.length > 0);
  return (
    <section aria-labelledby="curves-title">
      <h3 id="curves-title">Curves</h3>
      <div class="charts">
        <Chart
          title="Loss"
          {...{ last }}
          curves={[curve(lines, "loss", "training"), curve(lines, "eval_loss", "evaluation")]}
        />
        <Chart
          title="Learning rate"
          {...{ last }}
          curves={[curve(lines, "learning_rate", "learning rate")]}
        />
        <Chart
          title="Tokens a second"
          {...{ last }}
          curves={[{ name: "tokens/s", points: speeds.value }]}
        />
        {rouge.length > 0 && (
          <Chart title="ROUGE of the evaluation rows" {...{ last }} curves={rouge} />
        )}
      </div>
    </section>
  );
}

function curve(lines: readonly LogLine[], key: string, name: string): Curve {
  const points = lines.flatMap((line) => {
    const y = line[key];
    return y === undefined || !Number.isFinite(y) ? [] : [{ x: line.step, y }];
  });
  return { name, points };
}
