// Main-thread time of a training step of FLAN-T5-small's layers per dispatch, from the first recorded op to the last
// submission, waits excluded. The adapter is Dawn's own that does nothing, so that what runs the step does not take the
// cores from what records it; a driver's own work to take a submission is not in the figure. That adapter holds 512 MiB,
// so the layers are an eighth as wide: dispatches do not depend on the width.
//
// And of a token of greedy search, whose steps are given again, beside the same with each found out anew, in turns.
//
//   npm run bench:dispatches -- [--steps 15] [--bf16]

import { parseArgs } from "node:util";
import { openNullGpu } from "../scripts/adapters/nullGpu.ts";
import { FLAN_T5_SMALL, ids, median } from "./flanT5Small.ts";
import { randomT5 } from "./gpu/models.ts";
import { recordingTime, trainingStep } from "./gpu/trainingStep.ts";

const { values: options } = parseArgs({
  options: {
    steps: { type: "string", default: "15" },
    bf16: { type: "boolean", default: false },
  },
});
/** Steps until the compilers of the runtime have settled. */
const WARM_UP = 10;
const TURNS = 7;
const NEW_TOKENS = 200;

const narrow = { vocab_size: 4016, d_model: 64, d_kv: 8, d_ff: 128 };

const device = await openNullGpu();
const dtype = options.bf16 ? "bf16" : "f32";
const size = { texts: 8, source: 256, target: 64 };
const step = trainingStep(device, { fields: { ...FLAN_T5_SMALL, ...narrow }, dtype, ...size });
await recordingTime(device, step, WARM_UP);
const { dispatches, microseconds } = await recordingTime(device, step, Number(options.steps));
step.dispose();
const tokens = await tokenTimes();
await device.close();

/** Main-thread µs of a token, by turn: given again, and found out anew. */
async function tokenTimes(): Promise<{ readonly again: number[]; readonly anew: number[] }> {
  const model = randomT5({ ...FLAN_T5_SMALL, ...narrow }, device, dtype);
  const times = { again: [] as number[], anew: [] as number[] };
  const record = device.record.bind(device);
  const unrecorded = (work: () => void): null => {
    work();
    return null;
  };
  for (let turn = 0; turn <= TURNS; turn++) {
    for (const side of ["again", "anew"] as const) {
      device.record = side === "again" ? record : unrecorded;
      const begun = performance.now();
      // The adapter answers at once, and with zeros, which end no text.
      await model.generate({ inputIds: ids(1, 128, 4000) }, { maxNewTokens: NEW_TOKENS });
      if (turn > 0) times[side].push((1000 * (performance.now() - begun)) / NEW_TOKENS);
    }
  }
  model.dispose();
  return times;
}

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
console.table([
  {
    "a token, steps given again, median µs": Math.round(median(tokens.again)),
    "found out anew": Math.round(median(tokens.anew)),
  },
]);
