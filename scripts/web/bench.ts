// The page in Chromium beside Node on the same machine and threads, taking turns: time from click to first token, tokens a second
// of a summary, and training samples a second. Ratios are Chromium's speed over Node's, and the median of the turns'.
//
//   npm run bench:page -- [--threads 2] [--turns 5] [--updates 40] [--node PATH_OF_ANOTHER_NODE]

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startChromium } from "../../test/support/chromium.ts";
import { PageDriver } from "../../test/web/driver.ts";
import { longTasks, watchLongTasks } from "../../test/web/longTasks.ts";
import { servePage } from "../../test/web/site.ts";
import { median, PAUSE, WARM_UPS, WRITE, WRITES, type Turn } from "./benchWork.ts";

const { values: options } = parseArgs({
  options: {
    threads: { type: "string", default: "2" },
    turns: { type: "string", default: "5" },
    updates: { type: "string", default: "40" },
    node: { type: "string", default: process.execPath },
  },
});
const updates = Number(options.updates);
const fromRoot = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

function inNode(): Turn {
  const folder = mkdtempSync(join(tmpdir(), "gradloom-bench-"));
  try {
    const script = [fromRoot("scripts/web/nodeTurn.ts"), options.threads, options.updates, folder];
    const args = ["--import", "./scripts/example/runTypeScript.mjs", ...script];
    return JSON.parse(execFileSync(options.node, args, { cwd: fromRoot(""), encoding: "utf8" }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function inPage(driver: PageDriver): Promise<Turn> {
  const { first, tokensPerSecond } = await write(driver);
  await driver.show("Fine-tune");
  await driver.fill("Updates", updates);
  await driver.page.getByText("More arguments").click();
  await driver.fill("Rows to evaluate", 0);
  await driver.fill("Updates between checkpoints", 10 * updates);
  await driver.page.getByText("More arguments").click();
  await driver.press("Train");
  await driver.untilStep(1);
  await driver.page
    .getByTestId("run-status")
    .filter({ hasText: /^Done$/ })
    .waitFor({ timeout: 600_000 });
  await driver.show("Take along");
  const metrics = await driver.trainMetrics();
  return { first, tokensPerSecond, samplesPerSecond: metrics["train_samples_per_second"]! };
}

async function write(driver: PageDriver): Promise<Omit<Turn, "samplesPerSecond">> {
  await driver.show("Summarise");
  await driver.choose("Decoding", "Sampling");
  for (const [label, value] of [
    ["Most new tokens", WRITE.maxNewTokens],
    ["Temperature", WRITE.temperature],
    ["Top k", WRITE.topK],
    ["Top p", WRITE.topP],
    ["Seed", WRITE.seed],
  ] as const) {
    await driver.fill(label, value);
  }
  const written: Omit<Turn, "samplesPerSecond">[] = [];
  for (let run = 0; run < WARM_UPS + WRITES; run++) {
    await driver.page.waitForTimeout(PAUSE);
    await driver.press("Summarise");
    // A summary's figures go when the next one begins.
    await driver.page.getByTestId("speed").waitFor();
    const speed = await driver.text("speed");
    written.push({
      tokensPerSecond: number(/([\d,.]+) tokens\/s/, speed),
      first: number(/first after ([\d,.]+) ms/, speed),
    });
  }
  const timed = written.slice(WARM_UPS);
  return {
    first: median(timed.map(({ first }) => first)),
    tokensPerSecond: median(timed.map(({ tokensPerSecond }) => tokensPerSecond)),
  };
}

function number(pattern: RegExp, text: string): number {
  return Number(pattern.exec(text)![1]!.replaceAll(",", ""));
}

const site = await servePage(fromRoot("dist-web"));
const browser = await startChromium();
if (typeof browser === "string") throw new Error(browser);

const turns: { readonly node: Turn; readonly page: Turn; readonly longest: number }[] = [];
for (let turn = 0; turn < Number(options.turns); turn++) {
  const node = inNode();
  const query = `?device=cpu&threads=${options.threads}`;
  const driver = await PageDriver.open(browser, site.url, { query });
  await watchLongTasks(driver.page);
  const page = await inPage(driver);
  turns.push({ node, page, longest: Math.max(0, ...(await longTasks(driver.page))) });
  await driver.page.context().close();
}
const version = browser.version();
await browser.close();
site.close();

const nodeVersion = execFileSync(options.node, ["--version"], { encoding: "utf8" }).trim();
console.log(
  `Node ${nodeVersion}, Chromium ${version}, ${options.threads} threads, ${options.turns} turns`,
);
for (const [title, key, isTime] of [
  ["first token, ms", "first", true],
  ["tokens/s", "tokensPerSecond", false],
  ["training samples/s", "samplesPerSecond", false],
] as const) {
  const of = (side: "node" | "page"): number[] => turns.map((turn) => turn[side][key]);
  const ratios = turns.map(({ node, page }) =>
    isTime ? node[key] / page[key] : page[key] / node[key],
  );
  console.log(
    `${title}: Node ${median(of("node")).toFixed(1)}, page ${median(of("page")).toFixed(1)}, ` +
      `ratio ${median(ratios).toFixed(2)} (${ratios.map((ratio) => ratio.toFixed(2)).join(" ")})`,
  );
}
console.log(
  `longest task on the page's main thread: ${Math.max(...turns.map(({ longest }) => longest))} ms (0: none above 50)`,
);
