// Pictures of the page's main states, to be looked at: at 1280 and 390 pixels, light and dark. Writes docs/images/page.png,
// too, with --document.
//
//   npm run build:web && node --import ./scripts/example/runTypeScript.mjs scripts/web/screenshots.ts FOLDER [--document]

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startChromium } from "../../test/support/chromium.ts";
import { PageDriver } from "../../test/web/driver.ts";
import { servePage } from "../../test/web/site.ts";

const fromRoot = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const [folder = "screenshots", ...flags] = process.argv.slice(2);
const isDocument = flags.includes("--document");
await mkdir(folder, { recursive: true });

const site = await servePage(fromRoot("dist-web"));
const browser = await startChromium();
if (typeof browser === "string") throw new Error(browser);
const driver = await PageDriver.open(browser, site.url, { query: "?device=cpu" });
const { page } = driver;

await page.setViewportSize({ width: 1280, height: 860 });
await driver.show("Fine-tune");
await driver.choose("Train", "all weights");
await driver.fill("Updates", isDocument ? 100 : 20);
await page.getByText("More arguments").click();
await driver.fill("Updates between log lines", 2);
await driver.fill("Updates between evaluations", 25);
await page.getByText("More arguments").click();
await driver.press("Train");
await driver.untilStep(3);
await page.screenshot({ path: join(folder, "training.png"), fullPage: true });
await page.getByTestId("run-status").filter({ hasText: "Done" }).waitFor({ timeout: 300_000 });
if (isDocument) {
  await page.getByRole("heading", { name: "Arguments" }).scrollIntoViewIfNeeded();
  await page.evaluate("document.getElementById('arguments-title').scrollIntoView()");
  await page.screenshot({ path: fromRoot("docs/images/page.png") });
}
await driver.show("Summarise");
await driver.press("Summarise");
await driver.until("speed", /tokens in/);
await driver.press("Show attention");
await driver.until("attention", /cinema/);

for (const colorScheme of ["light", "dark"] as const) {
  await page.emulateMedia({ colorScheme });
  for (const width of [1280, 390]) {
    await page.setViewportSize({ width, height: 860 });
    for (const tab of ["Model", "Summarise", "Fine-tune", "Take along", "Kernels"] as const) {
      await driver.show(tab);
      const name = `${tab.replace(" ", "-")}-${width}-${colorScheme}.png`.toLowerCase();
      await page.screenshot({ path: join(folder, name), fullPage: true });
    }
  }
}
await browser.close();
site.close();
