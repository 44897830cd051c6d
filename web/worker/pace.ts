// How often the worker tells the page something: a message wakes the page's thread, which draws, and on a machine of few cores takes
// the one that computes.

export class Pace {
  readonly #milliseconds: number;
  readonly #tell: () => void;
  #told = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param tell is called at most every `milliseconds` */
  constructor(milliseconds: number, tell: () => void) {
    this.#milliseconds = milliseconds;
    this.#tell = tell;
  }

  /** There is something to tell: it is told at once, or when the last time is long enough ago. */
  soon(): void {
    if (this.#timer !== undefined) return;
    const wait = this.#told + this.#milliseconds - performance.now();
    if (wait <= 0) this.now();
    else this.#timer = setTimeout(() => this.now(), wait);
  }

  /** Tells, whenever the last time was. */
  now(): void {
    this.cancel();
    this.#told = performance.now();
    this.#tell();
  }

  /** What waits stays untold. */
  cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
