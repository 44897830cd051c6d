// Ends downloads that bring nothing.

/** Fewer bytes than these are no progress: a server that sends one a second would never be given up. */
export const PROGRESS = 1024;

/** Aborts when the caller does, or when fewer than `PROGRESS` bytes came in `limit` milliseconds. */
export class Watch {
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #limit: number;
  #timer: NodeJS.Timeout;
  #bytes = 0;

  constructor(limit: number, other: AbortSignal | undefined) {
    this.#limit = limit;
    this.signal = other
      ? AbortSignal.any([other, this.#controller.signal])
      : this.#controller.signal;
    this.#timer = this.#start();
  }

  touch(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < PROGRESS) return;
    this.#bytes = 0;
    clearTimeout(this.#timer);
    this.#timer = this.#start();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#controller.abort();
  }

  #start(): NodeJS.Timeout {
    const late = new DOMException("nothing came in time", "TimeoutError");
    return setTimeout(() => this.#controller.abort(late), this.#limit);
  }
}
