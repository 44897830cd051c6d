// The page as a visitor uses it: by its labels and buttons.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { unzipSync } from "fflate";
import type { Browser, BrowserContext, Page } from "playwright-core";

export type TabName = "Model" | "Summarise" | "Fine-tune" | "Take along" | "Kernels";

/** Waits of a machine that does other things, too. */
const PATIENCE = 30_000;

export class PageDriver {
  readonly page: Page;
  /** Addresses of other origins that were asked for, and what the page complained about. */
  readonly foreign: string[] = [];
  readonly complaints: string[] = [];

  private constructor(page: Page, origin: string, patience: number) {
    this.page = page;
    page.setDefaultTimeout(patience);
    page.on("request", (request) => {
      const url = new URL(request.url());
      if (url.origin !== origin && /^http/.test(url.protocol)) this.foreign.push(url.href);
    });
    page.on("pageerror", (error) => this.complaints.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") this.complaints.push(message.text());
    });
  }

  /** Opens the page and waits until the example model and rows are there. */
  static async open(
    where: Browser | BrowserContext,
    url: string,
    options: { readonly query?: string; readonly patience?: number } = {},
  ): Promise<PageDriver> {
    const page = await newDrawnPage(where);
    const driver = new PageDriver(page, new URL(url).origin, options.patience ?? PATIENCE);
    await page.goto(`${url}/${options.query ?? ""}`);
    await driver.ready();
    return driver;
  }

  async ready(): Promise<void> {
    await this.page.getByTestId("model").filter({ hasNotText: "none yet" }).waitFor();
  }

  async show(tab: TabName): Promise<void> {
    await this.page.getByRole("tab", { name: tab, exact: true }).click();
  }

  async press(name: string): Promise<void> {
    await this.page.getByRole("button", { name, exact: true }).click();
  }

  async fill(label: string, value: string | number): Promise<void> {
    await this.page.getByLabel(label, { exact: true }).fill(String(value));
  }

  async choose(label: string, option: string): Promise<void> {
    await this.page.getByLabel(label, { exact: true }).selectOption({ label: option });
  }

  /** The option that a list shows. */
  chosen(label: string): Promise<string> {
    return this.page.getByLabel(label, { exact: true }).inputValue();
  }

  /** Drops files on an element, as from a file manager. */
  drop(selector: string, paths: readonly string[]): Promise<void> {
    const files = paths.map((path) => ({ name: basename(path), text: readFileSync(path, "utf8") }));
    return this.dropTexts(selector, files);
  }

  async dropTexts(
    selector: string,
    files: readonly { readonly name: string; readonly text: string }[],
  ): Promise<void> {
    const dataTransfer = await this.page.evaluateHandle((files) => {
      const transfer = new DataTransfer();
      for (const { name, text } of files) transfer.items.add(new File([text], name));
      return transfer;
    }, files);
    await this.page.dispatchEvent(selector, "drop", { dataTransfer });
  }

  /** Pauses the run, which writes a checkpoint first. */
  async pause(): Promise<void> {
    await this.press("Pause");
    await this.until("run-status", /^Paused, with a checkpoint/);
  }

  /** What the browser does when another tab comes to the front, as far as the page can see. */
  async hide(): Promise<void> {
    await this.page.evaluate(() => {
      Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    });
  }

  text(testId: string): Promise<string> {
    return this.page.getByTestId(testId).innerText();
  }

  /** Waits until an element's text matches; fails with the page's notice when that does not happen. */
  async until(testId: string, pattern: RegExp): Promise<void> {
    try {
      await this.page.getByTestId(testId).filter({ hasText: pattern }).waitFor();
    } catch (error) {
      throw new Error(`${testId} must match ${pattern}; ${await this.#notice()}`, { cause: error });
    }
  }

  async #notice(): Promise<string> {
    const status = this.page.getByTestId("run-status");
    const run = (await status.isVisible()) ? await status.innerText() : "no run";
    return `the page says: ${await this.page.getByTestId("notice").innerText()} (${run})`;
  }

  /** Updates that the tile of the run shows. */
  async step(): Promise<number> {
    const text = await this.text("figures");
    return Number(/Update\s+(\d+) of/.exec(text)?.[1] ?? 0);
  }

  async untilStep(step: number): Promise<void> {
    const reached = (least: number): boolean => {
      const text = document.querySelector("[data-testid=figures]")?.textContent ?? "";
      return Number(/^Update(\d+) of/.exec(text)?.[1] ?? 0) >= least;
    };
    try {
      await this.page.waitForFunction(reached, step);
    } catch (error) {
      throw new Error(`the run must reach update ${step}; ${await this.#notice()}`, {
        cause: error,
      });
    }
  }

  /** Points of the curve with this title. */
  async points(title: string): Promise<number> {
    const chart = this.page.locator("figure.chart", {
      has: this.page.getByText(title, { exact: true }),
    });
    return Number(await chart.getAttribute("data-points"));
  }

  /** Presses a button by itself as soon as the summary has so many characters: a tiny model is faster than this process. */
  async pressOnceWritten(name: string, length: number): Promise<void> {
    await this.page.evaluate(
      ({ name, length }) => {
        const output = document.querySelector("[data-testid=summary]")!;
        const watch = new MutationObserver(() => {
          if ((output.textContent ?? "").length < length) return;
          watch.disconnect();
          const buttons = [...document.querySelectorAll("button")];
          buttons.find(({ textContent }) => textContent === name)?.click();
        });
        setTimeout(() =>
          watch.observe(output, { childList: true, subtree: true, characterData: true }),
        );
      },
      { name, length },
    );
  }

  /** Figures of the run, from the report in trainer_state.json of the downloaded adapter. */
  async trainMetrics(): Promise<Readonly<Record<string, number>>> {
    const folder = mkdtempSync(join(tmpdir(), "gradloom-page-"));
    try {
      await this.download("Download: Adapter", join(folder, "adapter.zip"));
      const files = unzipSync(readFileSync(join(folder, "adapter.zip")));
      const text = new TextDecoder().decode(files["trainer_state.json"]);
      const { log_history } = JSON.parse(text) as { log_history: Record<string, number>[] };
      return log_history.findLast((line) => "train_samples_per_second" in line)!;
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  /** The file that a button downloads. */
  async download(button: string, path: string): Promise<void> {
    const event = this.page.waitForEvent("download");
    await this.press(button);
    await (await event).saveAs(path);
  }
}

/** Kills the process that draws the page, as the system does when memory runs out. */
export async function crash({ page }: PageDriver): Promise<void> {
  const crashed = page.waitForEvent("crash");
  await page.goto("chrome://crash").catch(() => undefined);
  await crashed;
  await page.close();
}

/**
 * A page that Chromium draws. In one run of CI it gave the first one no frames, ever: everything was there, and nothing could be clicked,
 * for that waits for two frames.
 */
async function newDrawnPage(where: Browser | BrowserContext): Promise<Page> {
  for (let tries = 1; ; tries++) {
    const page = await where.newPage();
    const drawn = page.evaluate(
      () => new Promise<boolean>((resolve) => requestAnimationFrame(() => resolve(true))),
    );
    const late = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 5000));
    if ((await Promise.race([drawn.catch(() => false), late])) || tries === 3) return page;
    await page.close();
  }
}
