// Trains in the page for a long time, and says how its memory grows: the first against the last sixth of the run. In the first
// pass over the rows V8 lets its heap grow to where it stays, and every shape of a batch comes for the first time: the sixth after
// it is told as well. V8 keeps garbage for as long as nothing asks for its memory: once a minute the page and its worker collect, and
// the memory after that is told for itself.
//
// A page cannot set how much V8 gives to young objects, which grows for minutes; flags for V8 can, to see the rest alone:
// --min-semi-space-size=32 (MiB) has it at its limit from the beginning.
//
//   npm run build:web && node --import ./scripts/example/runTypeScript.mjs scripts/web/soak.ts [MINUTES, default 30] [FOLDER, default dist-web] [V8 FLAGS]

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { startChromium } from "../../test/support/chromium.ts";
import { PageDriver } from "../../test/web/driver.ts";
import { servePage } from "../../test/web/site.ts";
import { rendererMemory } from "./rendererMemory.ts";

const minutes = Number(process.argv[2] ?? 30);
/** 2,000 rows in batches of 8. */
const PASS = 250;
const folder = process.argv[3] ?? fileURLToPath(new URL("../../dist-web", import.meta.url));
const site = await servePage(folder);
const v8Flags = ["--expose-gc", ...process.argv.slice(4)].join(" ");
const browser = await startChromium([`--js-flags=${v8Flags}`]);
if (typeof browser === "string") throw new Error(browser);
const driver = await PageDriver.open(browser, site.url, { query: "?device=cpu" });

await driver.show("Fine-tune");
await driver.fill("Updates", 1_000_000);
await driver.page.getByText("More arguments").click();
await driver.fill("Updates between log lines", 50);
await driver.fill("Updates between checkpoints", 200);
await driver.press("Train");
await driver.untilStep(20);

/** The page's worker; those that it shares kernels with wait inside a kernel, and answer nobody. */
const trainer = driver.page.workers().find((worker) => /main-/.test(worker.url()))!;
/** MiB of the page's process. */
const memory = (): number => rendererMemory((path) => readFileSync(path, "utf8")) / 2 ** 20;

/** The same after collections: finalisers that the first one calls run between them. */
async function collected(): Promise<number> {
  const collect = (): void => (globalThis as { gc?: () => void }).gc!();
  for (let i = 0; i < 2; i++) {
    await driver.page.evaluate(collect);
    await trainer.evaluate(collect);
  }
  return memory();
}

const samples: number[] = [];
/** Once a minute. */
const afterCollections: number[] = [];
/** Samples taken before the first pass was over. */
let early = 0;
const end = Date.now() + 60_000 * minutes;
while (Date.now() < end) {
  await new Promise((resolve) => setTimeout(resolve, 5000));
  const megabytes = memory();
  samples.push(megabytes);
  if (early === samples.length - 1 && (await driver.step()) < PASS) early++;
  if (samples.length % 12 === 0) {
    afterCollections.push(await collected());
    const least = afterCollections.at(-1)!.toFixed(1);
    console.log(
      `${samples.length / 12} min, update ${await driver.step()}: ${megabytes.toFixed(1)} MiB, ${least} collected`,
    );
  }
}
await driver.press("Stop");
await driver.until("run-status", /^Done$/);
const updates = await driver.step();
await browser.close();
site.close();

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
const growth = (values: readonly number[], from = 0): string => {
  const size = Math.max(1, Math.floor(values.length / 6));
  const [first, last] = [mean(values.slice(from, from + size)), mean(values.slice(-size))];
  return `${first.toFixed(1)} MiB, then ${last.toFixed(1)} in the last sixth: ${(100 * (last / first - 1)).toFixed(2)}%`;
};
console.log(`${updates} updates in ${minutes} min. Means of samples every 5 s:`);
console.log(`first sixth: ${growth(samples)}`);
console.log(
  `sixth after the first pass over the rows (${(early * 5) / 60} min): ${growth(samples, early)}`,
);
console.log(`first sixth, after collections: ${growth(afterCollections)}`);
