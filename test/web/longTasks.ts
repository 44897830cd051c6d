// Tasks of the page's main thread that took more than 50 ms: while one runs, the page does not answer.

import type { Page } from "playwright-core";

interface Watched {
  longTasks?: number[];
}

export async function watchLongTasks(page: Page): Promise<void> {
  await page.evaluate(() => {
    const found: number[] = ((globalThis as Watched).longTasks = []);
    new PerformanceObserver((list) =>
      found.push(...list.getEntries().map(({ duration }) => duration)),
    ).observe({ entryTypes: ["longtask"] });
  });
}

/** Milliseconds of each since `watchLongTasks`. */
export function longTasks(page: Page): Promise<number[]> {
  return page.evaluate(() => (globalThis as Watched).longTasks ?? []);
}
