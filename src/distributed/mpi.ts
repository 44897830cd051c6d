// MPI through koffi: the functions that training needs, over whatever library is installed (mpiLibrary.ts).
//
// Collectives are started and then tested, never waited for inside the library: JavaScript can then give up after a while, answer
// signals, and compute in between. All calls are made by the main thread (MPI_THREAD_FUNNELED).

import { DistributedError } from "../tensor/errors.ts";
import type { Launch } from "./launcher.ts";
import { loadMpi, type Abi, type AbiName, type Handle, type ReduceOp } from "./mpiLibrary.ts";

/** A collective on its way. Its buffers must stay where they are until `test` has said true. */
export interface GroupRequest {
  /** Lets MPI work on it. @returns whether it is done */
  test(): boolean;
}

/** What travels between processes: a typed array, in place. */
export type GroupBuffer = Float32Array | Float64Array | Uint32Array | Uint16Array | Uint8Array;
/** MPI_THREAD_FUNNELED: threads exist, and the main one makes all calls. */
const THREAD_FUNNELED = 1;

type Native = (...args: unknown[]) => number;

/** Functions by name, and how koffi spells their arguments: H is a handle. */
const SIGNATURES = {
  MPI_Init_thread: "void* void* int void*",
  MPI_Get_library_version: "void* void*",
  MPI_Comm_rank: "H void*",
  MPI_Comm_size: "H void*",
  MPI_Iallreduce: "intptr_t void* int H H H void*",
  MPI_Ireduce_scatter_block: "void* void* int H H H void*",
  MPI_Iallgather: "intptr_t int H void* int H H void*",
  MPI_Iallgatherv: "void* int H void* void* void* H H void*",
  MPI_Ialltoall: "void* int H void* int H H void*",
  MPI_Ibcast: "void* int H int H void*",
  MPI_Ibarrier: "H void*",
  MPI_Test: "void* void* void*",
  MPI_Abort: "H int",
  MPI_Finalize: "",
} as const;

/** A loaded library of MPI, initialised: its functions, over the world of all processes started together. */
export class Mpi {
  readonly rank: number;
  readonly size: number;
  /** First line of what the library says about itself. */
  readonly version: string;
  readonly abi: AbiName;
  readonly #abi: Abi;
  readonly #call: Readonly<Record<keyof typeof SIGNATURES, Native>>;

  private constructor(abi: Abi, call: Record<keyof typeof SIGNATURES, Native>) {
    this.#abi = abi;
    this.#call = call;
    this.abi = abi.name;
    this.#check("MPI_Init_thread", null, null, THREAD_FUNNELED, fixed(4));
    const text = fixed(8192);
    this.#check("MPI_Get_library_version", text, fixed(4));
    const [first] = new TextDecoder().decode(text.subarray(0, text.indexOf(0))).split(/[\n,]/);
    this.version = first!.replace(/ Version:\s*/, " ");
    this.rank = this.#number("MPI_Comm_rank");
    this.size = this.#number("MPI_Comm_size");
  }

  /**
   * Loads and initialises MPI, once in a process.
   * @param launch what started the process, whose own library is tried first
   * @throws {DistributedError} without koffi, without a library of MPI, and where library and launcher do not belong together
   */
  static async open(launch: Launch | null, wanted = process.env["GRADLOOM_MPI"]): Promise<Mpi> {
    const { library, abi } = await loadMpi(launch, wanted);
    const call = {} as Record<keyof typeof SIGNATURES, Native>;
    for (const [name, types] of Object.entries(SIGNATURES)) {
      const args = types.split(" ").filter((type) => type !== "");
      call[name as keyof typeof SIGNATURES] = library.func(
        name,
        "int",
        args.map((type) => (type === "H" ? abi.handle : type)),
      ) as Native;
    }
    const mpi = new Mpi(abi, call);
    if (launch !== null && launch.size > 1 && mpi.size === 1) throw mpi.#strangers(launch);
    return mpi;
  }

  /** Library and launcher as messages name them. */
  get description(): string {
    return `${this.version} (${this.abi}), rank ${this.rank} of ${this.size}`;
  }

  /** x <- sum or maximum of all ranks' x. */
  allreduce(x: GroupBuffer, op: ReduceOp): GroupRequest {
    const { inPlace, ops, world } = this.#abi;
    return this.#start("MPI_Iallreduce", inPlace, x, x.length, this.#type(x), ops[op], world);
  }

  /** own <- this rank's part of the sum of all ranks' x, which has `size` parts of own's length. */
  reduceScatter(x: GroupBuffer, own: GroupBuffer): GroupRequest {
    const { ops, world } = this.#abi;
    const count = own.length;
    return this.#start(
      "MPI_Ireduce_scatter_block",
      ...[x, own, count, this.#type(x), ops.sum, world],
    );
  }

  /** Fills all but this rank's part of x, in which that lies already, with the other ranks' parts. */
  allgather(x: GroupBuffer): GroupRequest {
    const { inPlace, world, types } = this.#abi;
    const bytes = x.byteLength / this.size;
    return this.#start("MPI_Iallgather", inPlace, 0, types.byte, x, bytes, types.byte, world);
  }

  /** all <- every rank's own, which may differ in length, behind one another. */
  allgatherv(
    own: Uint8Array,
    all: Uint8Array,
    lengths: Int32Array,
    begins: Int32Array,
  ): GroupRequest {
    const { world, types } = this.#abi;
    const { byte } = types;
    return this.#start(
      "MPI_Iallgatherv",
      ...[own, own.length, byte, all, lengths, begins, byte, world],
    );
  }

  /** Part i of `to` <- this rank's part of rank i's `from`; bytes, as they are. */
  alltoall(from: GroupBuffer, to: GroupBuffer): GroupRequest {
    const { world, types } = this.#abi;
    const bytes = from.byteLength / this.size;
    return this.#start("MPI_Ialltoall", from, bytes, types.byte, to, bytes, types.byte, world);
  }

  /** x <- rank root's x. */
  broadcast(x: GroupBuffer, root: number): GroupRequest {
    const { world, types } = this.#abi;
    return this.#start("MPI_Ibcast", x, x.byteLength, types.byte, root, world);
  }

  barrier(): GroupRequest {
    return this.#start("MPI_Ibarrier", this.#abi.world);
  }

  /** Ends all ranks' processes at once, this one's too. */
  abort(code: number): never {
    this.#call.MPI_Abort(this.#abi.world, code);
    process.exit(code); // not reached where the library does as the standard says
  }

  /** After the last call; every rank must come here. */
  finalize(): void {
    this.#check("MPI_Finalize");
  }

  #type(x: GroupBuffer): Handle {
    if (x instanceof Float32Array) return this.#abi.types.f32;
    if (x instanceof Float64Array) return this.#abi.types.f64;
    return this.#abi.types.byte;
  }

  #number(name: "MPI_Comm_rank" | "MPI_Comm_size"): number {
    const result = new Int32Array(new ArrayBuffer(4));
    this.#check(name, this.#abi.world, result);
    return result[0]!;
  }

  #start(name: keyof typeof SIGNATURES, ...args: unknown[]): GroupRequest {
    const request = fixed(8);
    this.#check(name, ...args, request);
    const done = new Int32Array(new ArrayBuffer(4));
    const status = fixed(64); // larger than any library's MPI_Status
    return {
      test: () => {
        void args; // the request holds on to its buffers: MPI has only their addresses
        this.#check("MPI_Test", request, done, status);
        return done[0] !== 0;
      },
    };
  }

  #check(name: keyof typeof SIGNATURES, ...args: unknown[]): void {
    const code = this.#call[name](...args);
    if (code === 0) return;
    throw new DistributedError(`${name}: must succeed, got error ${code} of ${this.version}.`);
  }

  #strangers({ name, size }: Launch): DistributedError {
    return new DistributedError(
      `mpi: all ${size} processes that ${name} started must see each other, got a world of 1 from ${this.version} ` +
        `(${this.abi}). Library and launcher are of different makes: start with the library's own mpirun, or set ` +
        "GRADLOOM_MPI to the launcher's libmpi.so. Under srun, choose its plugin (--mpi=pmix or --mpi=pmi2).",
    );
  }
}

/** Bytes at an address that stays: V8 keeps small typed arrays in its heap, where they move, unless given a buffer. */
function fixed(bytes: number): Uint8Array {
  return new Uint8Array(new ArrayBuffer(bytes));
}
