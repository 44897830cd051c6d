// Memory in pages of 4 KiB beside pages of 2 MiB (hugePages), FLAN-T5-small's configuration: a text of 200 tokens encoded, and the
// first and the first eleven tokens of an answer to it. Sides take turns; after a rest, too, in which some hosts of virtual
// machines let go of pages.
//
//   npm run bench:hugepages -- [--threads 2] [--turns 9] [--rest 500] [--dtype float32]

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { noGrad } from "../src/autograd/tape.ts";
import { openDevice } from "../src/kernels/openDevice.ts";
import type { WeightDtype } from "../src/model/weightDtype.ts";
import { hugePages } from "../src/system/hugePages.ts";
import { T5ForConditionalGeneration } from "../src/t5/model.ts";
import { scope } from "../src/tensor/scope.ts";
import { tensor } from "../src/tensor/tensor.ts";
import { flanT5Small, ids, median } from "./flanT5Small.ts";

const { values: options } = parseArgs({
  options: {
    threads: { type: "string", default: "2" },
    turns: { type: "string", default: "9" },
    rest: { type: "string", default: "500" },
    dtype: { type: "string", default: "float32" },
  },
});
const threads = Number(options.threads);
const inputIds = ids(1, 200);

async function openSide(advised: boolean) {
  const adviseMemory = advised ? { adviseMemory: await hugePages() } : {};
  const device = await openDevice("cpu", { threads, ...adviseMemory });
  const folder = await mkdtemp(join(tmpdir(), "gradloom-bench-"));
  const random = flanT5Small(device);
  await random.savePretrained(folder);
  random.dispose();
  const dtype = options.dtype as WeightDtype;
  const model = await T5ForConditionalGeneration.fromPretrained(folder, { device, dtype });
  await rm(folder, { recursive: true });
  const text = tensor(Int32Array.from(inputIds[0]!), [1, 200], { device });
  const generate = (maxNewTokens: number) =>
    model.generate({ inputIds }, { maxNewTokens, minNewTokens: maxNewTokens });
  const work = {
    encoded: async () => {
      const output = scope(() => noGrad(() => model.encode(text, undefined).output));
      await output.data();
      output.dispose();
    },
    first: () => generate(1),
    eleven: () => generate(11),
  };
  return { name: advised ? "2 MiB" : "4 KiB", device, work };
}

const sides = [await openSide(false), await openSide(true)];
const rests = [0, Number(options.rest)];
const times = new Map<string, number[]>();
// The first turn of each warms up.
for (let turn = 0; turn <= Number(options.turns); turn++) {
  for (const rest of rests) {
    for (const { name, work } of sides) {
      for (const [what, run] of Object.entries(work)) {
        await new Promise((resolve) => setTimeout(resolve, rest));
        const begun = performance.now();
        await run();
        const key = `${name} ${what}${rest === 0 ? "" : ", rested"}`;
        if (turn > 0) times.set(key, [...(times.get(key) ?? []), performance.now() - begun]);
      }
    }
  }
}
console.log(
  `node ${process.versions.node}, ${threads} threads, ${options.dtype}, ms, medians of ${options.turns}`,
);
console.table(
  sides.map(({ name }) => ({
    pages: name,
    ...Object.fromEntries(
      [...times].flatMap(([key, list]) =>
        key.startsWith(name) ? [[key.slice(name.length + 1), Math.round(median(list))]] : [],
      ),
    ),
  })),
);
for (const { device } of sides) await device.close();
