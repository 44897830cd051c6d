// One rank of a benchmark of the sum over all ranks: median seconds by length. Started by mpirun; rank 0 prints a line of JSON.

import { openProcessGroup } from "../../src/distributed/openProcessGroup.ts";
import { openDevice } from "../../src/kernels/openDevice.ts";

const REPEATS = 9;
const group = await openProcessGroup("auto");
const device = await openDevice("cpu", { threads: 1 });
const sums: { bytes: number; seconds: number }[] = [];
for (const bytes of [4, 4096, 65536, 2 ** 20, 2 ** 22, 2 ** 23, 2 ** 25]) {
  const x = new Float32Array(bytes / 4).fill(1);
  const seconds: number[] = [];
  for (let i = 0; i <= REPEATS; i++) {
    await group.barrier();
    const begun = performance.now();
    await group.allreduce(x);
    if (i > 0) seconds.push((performance.now() - begun) / 1000);
  }
  const slowest = Float64Array.of(seconds.sort((a, b) => a - b)[REPEATS >> 1]!);
  await group.allreduce(slowest, "max");
  sums.push({ bytes, seconds: slowest[0]! });
}
if (group.rank === 0) console.log(JSON.stringify({ ranks: group.size, sums }));
await device.close();
await group.close();
