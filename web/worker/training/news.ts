// What the page hears of a run while it goes on.

import type { LogLine, TrainEvent } from "../../protocol/training.ts";
import { Pace } from "../pace.ts";

/** Milliseconds between two looks of the page at the run: its curves are drawn by a core that computes meanwhile. */
const BETWEEN_LOOKS = 250;

type Step = Omit<Extract<TrainEvent, { readonly type: "step" }>, "type">;

/** What is told: the newest update, and every line of the log. */
export class News {
  readonly #emit: (event: TrainEvent) => void;
  readonly #pace: Pace;
  #step: Step | null = null;
  #lines: LogLine[] = [];

  constructor(emit: (event: TrainEvent) => void) {
    this.#emit = emit;
    this.#pace = new Pace(BETWEEN_LOOKS, () => this.#send());
  }

  step(step: Step): void {
    this.#step = step;
    this.#pace.soon();
  }

  line(line: LogLine): void {
    this.#lines.push(line);
    this.#pace.soon();
  }

  /** What the page must hear at once, and after all of before. */
  event(event: TrainEvent): void {
    this.tell();
    this.#emit(event);
  }

  /** Tells what waits. */
  tell(): void {
    this.#pace.now();
  }

  #send(): void {
    if (this.#step !== null) this.#emit({ type: "step", ...this.#step });
    if (this.#lines.length > 0) this.#emit({ type: "log", lines: this.#lines });
    this.#step = null;
    this.#lines = [];
  }
}
