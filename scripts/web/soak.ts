// Trains in the page for a long time, and says how its memory grows: the first against the last sixth of the run.
//
//   npm run build:web && node --import ./scripts/example/runTypeScript.mjs scripts/web/soak.ts [MINUTES, default 30]

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { startChromium } from "../../test/support/chromium.ts";
import { PageDriver } from "../../test/web/driver.ts";
import { servePage } from "../../test/web/site.ts";
import { rendererMemory } from "./rendererMemory.ts";

const minutes = Number(process.argv[2] ?? 30);
const site = await servePage(fileURLToPath(new URL("../../dist-web", import.meta.url)));
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
const end = Date.now() + 60_000 * minutes;
while (Date.now() < end) {
  await new Promise((resolve) => setTimeout(resolve, 5000));
  const megabytes = rendererMemory((path) => readFileSync(path, "utf8")) / 2 ** 20;
  samples.push(megabytes);
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
const [first, last] = [mean(samples.slice(0, sixth)), mean(samples.slice(-sixth))];
const change = 100 * (last / first - 1);
console.log(
  `${updates} updates in ${minutes} min: first sixth ${first.toFixed(1)} MiB, last ${last.toFixed(1)} MiB, ${change.toFixed(2)}%`,
);
process.exitCode = change > 2 ? 1 : 0;
