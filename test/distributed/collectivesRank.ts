// One rank of collectives.test.ts: calls every collective and prints what it got.

import { openProcessGroup } from "../../src/distributed/openProcessGroup.ts";
import { report } from "./report.ts";

const group = await openProcessGroup("auto");
const { rank, size } = group;
const [what] = process.argv.slice(2);

if (what === "fail" && rank === 1) group.abort(new Error("the disk is full"));
if (what === "late" && rank === 1) await new Promise((resolve) => setTimeout(resolve, 30_000));

/** As tensors of the cpu device lie: in a shared WebAssembly memory, away from its begin. */
const memory = new WebAssembly.Memory({ initial: 32, maximum: 64, shared: true });
const sum = new Float32Array(memory.buffer, 4096, 100_000).map((_, i) => i + rank);
const inPlace = new Float32Array(memory.buffer, 4096, 100_000);
inPlace.set(sum);
try {
  await group.allreduce(inPlace);
} catch (error) {
  group.abort(error);
}

const most = Float64Array.of(rank, -rank);
await group.allreduce(most, "max");

const parts = Float32Array.from({ length: 3 * size }, (_, i) => i * (rank + 1));
const own = new Float32Array(3);
await group.wait(group.startReduceScatter(parts, own), "reduce-scatter");

const all = new Uint16Array(2 * size);
all.set([10 * rank, 10 * rank + 1], 2 * rank);
await group.wait(group.startAllgather(all), "allgather");

const from = Uint16Array.from({ length: size }, (_, i) => 10 * rank + i);
const to = new Uint16Array(size);
await group.wait(group.startAlltoall(from, to), "alltoall");

const words = Uint8Array.of(rank + 7);
await group.broadcast(words, 1);

const gathered = await group.gather({ rank, text: "x".repeat(rank), loss: rank === 0 ? NaN : 1 });
await group.barrier();
report(rank, {
  ...{ size, description: group.description },
  ...{ sum: [inPlace[0], inPlace[99_999]], most: [...most], own: [...own], all: [...all] },
  ...{ to: [...to], words: [...words] },
  gathered: gathered.map(({ rank, text, loss }) => [rank, text.length, String(loss)]),
});
await group.close();
await group.close();
