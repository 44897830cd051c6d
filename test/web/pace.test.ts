// What a run or a summary tells the page: often enough to follow, seldom enough that drawing costs nothing.

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { addPoint } from "../../web/protocol/points.ts";
import type { TrainEvent } from "../../web/protocol/training.ts";
import { Pace } from "../../web/worker/pace.ts";
import { News } from "../../web/worker/training/news.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("Pace", () => {
  it("tells at once after a while of silence, and otherwise when the time has come, once for all", () => {
    const told: number[] = [];
    const pace = new Pace(50, () => told.push(performance.now() - begun));
    const begun = performance.now();
    for (let i = 0; i < 12; i++) {
      pace.soon();
      vi.advanceTimersByTime(10);
    }
    expect(told).toEqual([0, 50, 100]);
    vi.advanceTimersByTime(1000);
    expect(told).toEqual([0, 50, 100, 150]);
    pace.soon();
    expect(told.at(-1)).toBe(1120);
  });

  it("tells nothing more once it is cancelled", () => {
    const tell = vi.fn();
    const pace = new Pace(50, tell);
    pace.soon();
    pace.soon();
    pace.cancel();
    vi.advanceTimersByTime(1000);
    expect(tell).toHaveBeenCalledTimes(1);
  });
});

describe("News", () => {
  const step = (at: number) => ({
    ...{ step: at, tokensPerSecond: 1, samplesPerSecond: 1, secondsLeft: 1 },
  });

  it("tells the newest update, every line of the log, and in order what cannot wait", () => {
    const heard: string[] = [];
    const name = (event: TrainEvent): string => {
      if (event.type === "log") return `log ${event.lines.map((line) => line.step).join(" ")}`;
      return `${event.type} ${"step" in event ? event.step : ""}`;
    };
    const news = new News((event) => heard.push(name(event)));
    for (let at = 1; at <= 9; at++) {
      news.step(step(at));
      if (at % 2 === 0) news.line({ step: at, loss: 1 });
    }
    news.event({ type: "saved", step: 9 });
    expect(heard).toEqual(["step 1", "step 9", "log 2 4 6 8", "saved 9"]);
    news.line({ step: 10 });
    vi.advanceTimersByTime(1000);
    expect(heard.slice(4)).toEqual(["log 10"]);
  });
});

describe("addPoint", () => {
  it("keeps a curve short, with its first point and its newest ones", () => {
    const points: number[] = [];
    for (let at = 0; at < 5000; at++) {
      addPoint(points, at, 100);
      expect(points.length).toBeLessThanOrEqual(100);
    }
    expect(points.length).toBeGreaterThan(49);
    expect(points[0]).toBe(0);
    expect(points.at(-1)).toBe(4999);
    expect([...points].sort((a, b) => a - b)).toEqual(points);
  });
});
