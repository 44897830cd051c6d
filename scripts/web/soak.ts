// Trains in the page for a long time, and says how its memory grows: the first against the last sixth of the run. In the first
// pass over the rows V8 lets its heap grow to where it stays, and every shape of a batch comes for the first time: the sixth after
// it is told as well.
//
//   npm run build:web && node --import ./scripts/example/runTypeScript.mjs scripts/web/soak.ts [MINUTES, default 30] [FOLDER, default dist-web]

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
const browser = await startChromium();
if (typeof browser === "string") throw new Error(browser);
const driver = await PageDriver.open(browser, site.url, { query: "?device=cpu" });

await driver.show("Fine-tune");
await driver.fill("Updates", 1_000_000);
await driver.page.getByText("More arguments").click();
await driver.fill("Updates between log lines", 50);
await driver.fill("Updates between checkpoints", 200);
await driver.press("Train");
await driver.untilStep(20);

const samples: number[] = [];
/** Samples taken before the first pass was over. */
let early = 0;
const end = Date.now() + 60_000 * minutes;
while (Date.now() < end) {
  await new Promise((resolve) => setTimeout(resolve, 5000));
  const megabytes = rendererMemory((path) => readFileSync(path, "utf8")) / 2 ** 20;
  samples.push(megabytes);
  if (early === samples.length - 1 && (await driver.step()) < PASS) early++;
  if (samples.length % 12 === 0) {
    console.log(
      `${samples.length / 12} min, update ${await driver.step()}: ${megabytes.toFixed(1)} MiB`,
    );
  }
}
await driver.press("Stop");
await driver.until("run-status", /^Done$/);
const updates = await driver.step();
await browser.close();
site.close();

const sixth = Math.max(1, Math.floor(samples.length / 6));
const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
const last = mean(samples.slice(-sixth));
const growth = (from: number): string => {
  const first = mean(samples.slice(from, from + sixth));
  return `${first.toFixed(1)} MiB, then ${last.toFixed(1)} in the last sixth: ${(100 * (last / first - 1)).toFixed(2)}%`;
};
console.log(`${updates} updates in ${minutes} min. Means of samples every 5 s:`);
console.log(`first sixth: ${growth(0)}`);
console.log(`sixth after the first pass over the rows (${(early * 5) / 60} min): ${growth(early)}`);
