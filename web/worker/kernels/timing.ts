// Time of work on a device, waits included.

import type { Device } from "gradloom";

const BUDGET = 400;

/** Seconds of the fastest of several runs; the first one, which compiles and touches memory, does not count. */
export async function secondsPerRun(device: Device, run: () => void): Promise<number> {
  run();
  await device.sync();
  const end = performance.now() + BUDGET;
  let fastest = Infinity;
  do {
    const begun = performance.now();
    run();
    await device.sync();
    fastest = Math.min(fastest, performance.now() - begun);
  } while (performance.now() < end);
  return fastest / 1000;
}
