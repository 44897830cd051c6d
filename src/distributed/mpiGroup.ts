// A process group over MPI.

import { nextTurn } from "../tensor/nextTurn.ts";
import { DistributedError } from "../tensor/errors.ts";
import type { Mpi, GroupBuffer, GroupRequest } from "./mpi.ts";
import type { ProcessGroup } from "./processGroup.ts";

/** Tests in a row before JavaScript's own events get their turn, and signals are seen. */
const TESTS_A_TURN = 64;
/** Milliseconds of testing after which this process begins to sleep in between: its peers may need the core. */
const EAGER = 20;
/** What it sleeps then, in milliseconds. */
const NAP = 0.05;

export class MpiGroup implements ProcessGroup {
  readonly rank: number;
  readonly size: number;
  readonly description: string;
  readonly #mpi: Mpi;
  readonly #patience: number;
  #closed = false;

  /** @param patience seconds that a collective may take, peers that come late included */
  constructor(mpi: Mpi, patience: number) {
    this.#mpi = mpi;
    this.#patience = patience;
    this.rank = mpi.rank;
    this.size = mpi.size;
    this.description = mpi.description;
  }

  startAllreduce(x: GroupBuffer, op: "sum" | "max" = "sum"): GroupRequest {
    return this.#mpi.allreduce(x, op);
  }

  startReduceScatter(x: GroupBuffer, own: GroupBuffer): GroupRequest {
    return this.#mpi.reduceScatter(x, own);
  }

  startAllgather(x: GroupBuffer): GroupRequest {
    return this.#mpi.allgather(x);
  }

  startAlltoall(from: GroupBuffer, to: GroupBuffer): GroupRequest {
    return this.#mpi.alltoall(from, to);
  }

  async wait(request: GroupRequest, what: string): Promise<void> {
    const begun = performance.now();
    for (;;) {
      for (let i = 0; i < TESTS_A_TURN; i++) if (request.test()) return;
      const waited = performance.now() - begun;
      if (waited > this.#patience * 1000) throw this.#tooLate(what);
      if (waited > EAGER) Atomics.wait(nap, 0, 0, NAP);
      await nextTurn();
    }
  }

  allreduce(x: Float32Array | Float64Array, op: "sum" | "max" = "sum"): Promise<void> {
    return this.wait(this.#mpi.allreduce(x, op), "allreduce");
  }

  broadcast(x: GroupBuffer, root = 0): Promise<void> {
    return this.wait(this.#mpi.broadcast(x, root), "broadcast");
  }

  async gather<T>(value: T): Promise<T[]> {
    const own = new TextEncoder().encode(JSON.stringify({ value }, writeNumber));
    const counts = new Float64Array(this.size);
    counts[this.rank] = own.length;
    await this.allreduce(counts);
    const lengths = Int32Array.from(counts);
    const begins = lengths.map((_, i) => lengths.subarray(0, i).reduce((a, b) => a + b, 0));
    const all = new Uint8Array(lengths.reduce((a, b) => a + b, 0));
    await this.wait(this.#mpi.allgatherv(own, all, lengths, begins), "gather");
    return Array.from(lengths, (length, i) => {
      const text = new TextDecoder().decode(all.subarray(begins[i]!, begins[i]! + length));
      return (JSON.parse(text, readNumber) as { value: T }).value;
    });
  }

  barrier(): Promise<void> {
    return this.wait(this.#mpi.barrier(), "barrier");
  }

  abort(error: unknown): never {
    if (this.#closed) throw error;
    const message = error instanceof Error ? error.message : String(error);
    writeNow(`rank ${this.rank} of ${this.size}: ${message}\n`);
    this.#mpi.abort(1);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.barrier();
    this.#mpi.finalize();
  }

  #tooLate(what: string): DistributedError {
    return new DistributedError(
      `${what}: all ${this.size} ranks must come within ${this.#patience} s, and some rank has not. ` +
        "One of them is stuck, or slower than that: look at its output, or raise GRADLOOM_MPI_TIMEOUT.",
    );
  }
}

const nap = new Int32Array(new SharedArrayBuffer(4));

/** JSON has no NaN and no infinities, which losses and norms may be. */
function writeNumber(_key: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isFinite(value) ? { $number: String(value) } : value;
}

function readNumber(_key: string, value: unknown): unknown {
  const isNumber = typeof value === "object" && value !== null && "$number" in value;
  return isNumber ? Number(value.$number) : value;
}

/** On stderr before the process is ended, which would lose what a stream still holds. */
function writeNow(text: string): void {
  process.stderr.write(text); // files and pipes are written to synchronously on POSIX
}
