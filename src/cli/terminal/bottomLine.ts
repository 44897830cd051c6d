// What stands at the bottom of the terminal while work goes on: one line, below everything that is printed meanwhile.
// There is one owner of it, so that whatever ends the process can take it away.
//
// The cursor waits at the beginning of the line, not behind it: a terminal that is made narrower may wrap the line into
// two, and erasing from there to the end of the screen leaves nothing of it behind, whether the terminal wrapped or not. It
// stays visible: nobody could show it again after Ctrl-Z, Ctrl-\ or a kill -9.

/** Text of the line for a terminal of `width` columns; shorter than that. */
type Draw = (width: number) => string;

export interface StandingLine {
  /** Draws the line anew: now, or within a tenth of a second when it was drawn just before. */
  changed(): void;
  remove(): void;
}

export type TerminalStream = Pick<NodeJS.WriteStream, "write" | "columns" | "isTTY" | "on" | "off">;

/** Milliseconds between two drawings. */
const INTERVAL = 100;
const ERASE_BELOW = "\x1b[J";
/** A terminal that was made narrower a moment ago cuts the line at its edge; wrapped, its first row would stay. */
const [CUT_AT_EDGE, WRAP_AT_EDGE] = ["\x1b[?7l", "\x1b[?7h"];
/** Where a terminal does not say how wide it is. */
const USUAL_WIDTH = 80;

class BottomLine {
  readonly #stream: TerminalStream;
  /** The last one is shown. */
  #standing: Draw[] = [];
  #giveBack: (() => void)[] = [];
  #drawn = { at: -Infinity, isThere: false, isStale: true };
  /** Text without a newline at its end stands where the line would be. */
  #isLineTaken = false;

  constructor(stream: TerminalStream) {
    this.#stream = stream;
  }

  add(draw: Draw): StandingLine {
    if (this.#standing.length === 0) this.#begin();
    this.#standing.push(draw);
    this.#draw();
    return {
      changed: () => {
        this.#drawn.isStale = true;
        if (performance.now() - this.#drawn.at >= INTERVAL) this.#draw();
      },
      remove: () => {
        this.#standing = this.#standing.filter((other) => other !== draw);
        if (this.#standing.length === 0) this.removeAll();
        else this.#draw();
      },
    };
  }

  /** Leaves the terminal as it was before the first line. */
  removeAll(): void {
    this.#standing = [];
    this.#erase();
    for (const step of this.#giveBack.splice(0)) step();
  }

  #begin(): void {
    const timer = setInterval(() => {
      if (this.#drawn.isStale) this.#draw();
    }, INTERVAL);
    timer.unref(); // a line that was forgotten keeps no process alive
    const redraw = (): void => this.#draw();
    this.#stream.on("resize", redraw);
    this.#giveBack.push(
      () => clearInterval(timer),
      () => this.#stream.off("resize", redraw),
      // What anybody prints goes above the line.
      ...[...new Set([this.#stream, process.stdout, process.stderr])].map((stream) =>
        this.#printAbove(stream),
      ),
    );
  }

  #printAbove(stream: TerminalStream): () => void {
    const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
    const own = Object.getOwnPropertyDescriptor(stream, "write");
    const isOwn = stream === this.#stream;
    if (isOwn) this.#write = write;
    const above = (...args: unknown[]): boolean => {
      this.#erase();
      const result = write(...args);
      if (typeof args[0] === "string") this.#isLineTaken = !/\n$|^$/.test(args[0]);
      // Text that goes to the terminal through a pipe arrives later; the line is drawn after it.
      if (isOwn || stream.isTTY) this.#draw();
      return result;
    };
    Object.defineProperty(stream, "write", { value: above, configurable: true, writable: true });
    return () => {
      if (own) Object.defineProperty(stream, "write", own);
      else Reflect.deleteProperty(stream, "write");
      if (isOwn) this.#write = undefined;
    };
  }

  /** Of the stream itself, while `write` prints above the line. */
  #write: ((text: string) => boolean) | undefined;

  #draw(): void {
    const draw = this.#standing.at(-1);
    if (draw === undefined || this.#isLineTaken) return;
    const width = this.#stream.columns || USUAL_WIDTH;
    this.#write?.(`\r${CUT_AT_EDGE}${draw(width)}${WRAP_AT_EDGE}${ERASE_BELOW}\r`);
    this.#drawn = { at: performance.now(), isThere: true, isStale: false };
  }

  #erase(): void {
    if (!this.#drawn.isThere) return;
    this.#write?.(`\r${ERASE_BELOW}`);
    this.#drawn.isThere = false;
    this.#drawn.isStale = true;
  }
}

const owners = new Map<TerminalStream, BottomLine>();

/** Puts a line at the bottom of a terminal, in place of the one that stands there until it is removed. */
export function standingLine(stream: TerminalStream, draw: Draw): StandingLine {
  const owner = owners.get(stream) ?? new BottomLine(stream);
  owners.set(stream, owner);
  return owner.add(draw);
}

/** Takes all lines away. For the way out of the process, whatever its reason. */
export function removeStandingLines(): void {
  for (const owner of owners.values()) owner.removeAll();
}
