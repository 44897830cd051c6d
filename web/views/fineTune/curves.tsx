// The curves of a run: loss, learning rate, tokens a second, ROUGE. Each is drawn again when its own values change: a run has many
// lines, and a page that draws them all with every update gives the browser megabytes to collect.

import { computed } from "@preact/signals";
import type { ComponentChild } from "preact";
import { log, maxSteps, speeds } from "../../state/training.ts";
import { Chart, type Curve } from "../chart.tsx";

const losses = computed(() => [curve("loss", "training"), curve("eval_loss", "evaluation")]);
const learningRates = computed(() => [curve("learning_rate", "learning rate")]);
const rouge = computed(() =>
  (["rouge1", "rouge2", "rougeL"] as const)
    .map((type) => curve(`eval_${type}`, type))
    .filter(({ points }) => points.length > 0),
);

export function Curves(): ComponentChild {
  return (
    <section aria-labelledby="curves-title">
      <h3 id="curves-title">Curves</h3>
      <div class="charts">
        <LossChart />
        <LearningRateChart />
        <SpeedChart />
        <RougeChart />
      </div>
    </section>
  );
}

function LossChart(): ComponentChild {
  return <Chart title="Loss" last={maxSteps.value} curves={losses.value} />;
}

function LearningRateChart(): ComponentChild {
  return <Chart title="Learning rate" last={maxSteps.value} curves={learningRates.value} />;
}

function SpeedChart(): ComponentChild {
  const curves = [{ name: "tokens/s", points: speeds.value }];
  return <Chart title="Tokens a second" last={maxSteps.value} curves={curves} />;
}

function RougeChart(): ComponentChild {
  if (rouge.value.length === 0) return null;
  return <Chart title="ROUGE of the evaluation rows" last={maxSteps.value} curves={rouge.value} />;
}

/** What the lines of the log have by this key. */
function curve(key: string, name: string): Curve {
  const points = log.value.flatMap((line) => {
    const y = line[key];
    return y === undefined || !Number.isFinite(y) ? [] : [{ x: line.step, y }];
  });
  return { name, points };
}
