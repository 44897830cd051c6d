// Main-thread time of a training step of FLAN-T5-small's layers per dispatch, from the first recorded op to the last
// submission, waits excluded. The adapter is Dawn's own that does nothing, so that what runs the step does not take the
// cores from what records it; a driver's own work to take a submission is not in the figure. That adapter holds 512 MiB,
// so the layers are an eighth as wide: dispatches do not depend on the width.
//
//   npm run bench:dispatches -- [--steps 15] [--bf16]

import { parseArgs } from "node:util";
import { openNullGpu } from "../scripts/adapters/nullGpu.ts";
import { FLAN_T5_SMALL, median } from "./flanT5Small.ts";
import { recordingTime, trainingStep } from "./gpu/trainingStep.ts";

const { values: options } = parseArgs({
  options: {
    steps: { type: "string", default: "15" },
    bf16: { type: "boolean", default: false },
  },
});
/** Steps until the compilers of the runtime have settled. */
const WARM_UP = 10;

const narrow = { vocab_size: 4016, d_model: 64, d_kv: 8, d_ff: 128 };

const device = await openNullGpu();
const dtype = options.bf16 ? "bf16" : "f32";
const size = { texts: 8, source: 256, target: 64 };
const step = trainingStep(device, { fields: { ...FLAN_T5_SMALL, ...narrow }, dtype, ...size });
await recordingTime(device, step, WARM_UP);
const { dispatches, microseconds } = await recordingTime(device, step, Number(options.steps));
step.dispose();
await device.close();

const each = (time: number): number => Number((time / dispatches).toFixed(1));
console.log(`node ${process.versions.node}, flan-t5-small's layers in ${dtype}, 8 x (256 + 64)`);
console.table([
  {
    steps: microseconds.length,
    "dispatches of a step": dispatches,
    "median ms of a step": Number((median(microseconds) / 1000).toFixed(2)),
    "median µs per dispatch": each(median(microseconds)),
    "fastest µs per dispatch": each(Math.min(...microseconds)),
  },
]);
