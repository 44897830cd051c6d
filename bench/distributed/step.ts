// One rank of a benchmark of training on several processes: seconds a step of flan-t5-small's configuration, how long each
// update waits for the sums of the gradients, and what travels, with and without overlap in turns. Started by mpirun, with
// GRADLOOM_BENCH as JSON:
//   { "wire": "f32", "lora": false, "batch": 4, "source": 128, "target": 32, "steps": 5, "bucketMiB": 8 }

import { GradientReduction } from "../../src/distributed/gradientReduction.ts";
import { openProcessGroup } from "../../src/distributed/openProcessGroup.ts";
import { openDevice } from "../../src/kernels/openDevice.ts";
import { AdamW } from "../../src/optim/adamw.ts";
import { T5Config } from "../../src/t5/config.ts";
import { addLora } from "../../src/t5/lora/adapter.ts";
import { LoraConfig } from "../../src/t5/lora/config.ts";
import { T5ForConditionalGeneration } from "../../src/t5/model.ts";
import { lossGradients } from "../../src/train/loss.ts";
import { FLAN_T5_SMALL } from "../flanT5Small.ts";

const settings = {
  ...{ wire: "f32" as const, lora: false, batch: 4, source: 128, target: 32 },
  ...{ steps: 5, bucketMiB: 8 },
  ...(JSON.parse(process.env["GRADLOOM_BENCH"] ?? "{}") as object),
};
const group = await openProcessGroup("auto");
const device = await openDevice("cpu", { threads: 1 });
const config = T5Config.fromJSON({ ...FLAN_T5_SMALL, dropout_rate: 0 });
const model = T5ForConditionalGeneration.fromConfig(config, { device, seed: 1 });
if (settings.lora) addLora(model, new LoraConfig({ r: 32 }), { seed: 1 });
const optimizer = new AdamW(model.parameters());
const ids = (length: number): number[][] =>
  Array.from({ length: settings.batch }, (_, row) =>
    Array.from({ length }, (_, i) => 3 + ((i * 7919 + row * 104729 + group.rank) % 32000)),
  );
const batch = { inputIds: ids(settings.source), labels: ids(settings.target) };
const factors = { labelSmoothing: 0, pack: false, share: 1 / group.size, scale: 1 };

/** A way to sum gradients, with what its steps took. */
function side(overlap: boolean) {
  const { wire, bucketMiB } = settings;
  const bucketBytes = bucketMiB * 2 ** 20;
  const reduction = new GradientReduction(group, model.parameters(), {
    ...{ overlap, wire, bucketBytes },
  });
  return { overlap, reduction, seconds: [] as number[], waits: [] as number[] };
}

const sides = group.size === 1 ? [side(false)] : [side(true), side(false)];
model.train();
for (let i = 0; i <= settings.steps; i++) {
  for (const { reduction, seconds, waits } of sides) {
    await group.barrier();
    const [begun, waited] = [performance.now(), reduction.waited];
    const gradients = reduction.zeroGrad(optimizer);
    lossGradients(model, batch, factors, gradients, () => undefined, reduction.watch(gradients));
    await reduction.finish(gradients);
    gradients.clip(1);
    optimizer.step(gradients, 1e-4);
    gradients.dispose();
    if (i === 0) continue; // warms up
    seconds.push((performance.now() - begun) / 1000);
    waits.push((reduction.waited - waited) / 1000);
  }
}
const median = (x: readonly number[]): number => [...x].sort((a, b) => a - b)[x.length >> 1]!;
for (const { overlap, reduction, seconds, waits } of sides) {
  const { bytes } = reduction;
  const ranks = await group.gather({ step: median(seconds), wait: median(waits) });
  if (group.rank === 0) console.log(JSON.stringify({ ...settings, overlap, bytes, ranks }));
}
await group.close();
