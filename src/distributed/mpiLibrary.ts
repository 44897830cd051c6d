// MPI's library: found, loaded, and told apart from the others by its binary interface.
//
// Three are known. They differ in what a handle is: the standard ABI of MPI 5 has small integers as wide as pointers, Open
// MPI addresses of objects that its library exports, MPICH and its kin (Intel MPI, MVAPICH, Cray) C ints. Everything
// else that this program uses (order of arguments, counts of C int, buffers) is one.

import { DistributedError } from "../tensor/errors.ts";
import type { Launch } from "./launcher.ts";

export type ReduceOp = "sum" | "max";

export type Handle = number | bigint;
export type AbiName = "MPI standard ABI" | "Open MPI" | "MPICH";

/** What differs between the binary interfaces. */
export interface Abi {
  readonly name: AbiName;
  /** koffi's name for the C type of handles. */
  readonly handle: "int" | "uintptr_t";
  readonly world: Handle;
  readonly types: { readonly f32: Handle; readonly f64: Handle; readonly byte: Handle };
  readonly ops: Readonly<Record<ReduceOp, Handle>>;
  readonly inPlace: bigint;
}

/** mpi.h of the MPI 5.0 standard, chapter 20. */
const STANDARD: Abi = {
  name: "MPI standard ABI",
  handle: "uintptr_t",
  world: 0x101n,
  types: { f32: 0x210n, f64: 0x214n, byte: 0x207n },
  ops: { sum: 0x21n, max: 0x23n },
  inPlace: 1n,
};

/** MPICH's ABI initiative of 2013, which Intel MPI, MVAPICH and Cray MPI share. */
const MPICH: Abi = {
  name: "MPICH",
  handle: "int",
  world: 0x44000000,
  types: { f32: 0x4c00040a, f64: 0x4c00080b, byte: 0x4c00010d },
  ops: { sum: 0x58000003, max: 0x58000001 },
  inPlace: -1n,
};

function openMpi(symbol: (name: string) => bigint): Abi {
  return {
    name: "Open MPI",
    handle: "uintptr_t",
    world: symbol("ompi_mpi_comm_world"),
    types: {
      f32: symbol("ompi_mpi_float"),
      f64: symbol("ompi_mpi_double"),
      byte: symbol("ompi_mpi_byte"),
    },
    ops: { sum: symbol("ompi_mpi_op_sum"), max: symbol("ompi_mpi_op_max") },
    inPlace: 1n,
  };
}

/** Names to load, in this order where the launcher is of no make. */
const LIBRARIES: Readonly<Record<string, readonly { make: Launch["family"]; file: string }[]>> = {
  linux: [
    { make: null, file: "libmpi_abi.so.0" },
    { make: "openmpi", file: "libmpi.so.40" },
    { make: "openmpi", file: "libmpi.so" },
    { make: "mpich", file: "libmpich.so.12" },
    { make: "mpich", file: "libmpi.so.12" },
  ],
  darwin: ["/opt/homebrew/lib/", "/usr/local/lib/", ""].flatMap((folder) => [
    { make: null, file: `${folder}libmpi_abi.0.dylib` },
    { make: "openmpi" as const, file: `${folder}libmpi.40.dylib` },
    { make: "mpich" as const, file: `${folder}libmpi.12.dylib` },
  ]),
};

/** A library as koffi gives it. */
export interface Library {
  func(name: string, result: string, args: string[]): unknown;
  symbol(name: string): unknown;
}

/**
 * Loads MPI's library, and koffi, which does the loading.
 * @param launch what started the process, whose own library is tried first
 * @param wanted path of the library to take, of GRADLOOM_MPI
 * @throws {DistributedError} without koffi or a library of MPI
 */
export async function loadMpi(
  launch: Launch | null,
  wanted: string | undefined,
): Promise<{ library: Library; abi: Abi }> {
  const { default: koffi } = await import(
    /* webpackIgnore: true */ /* turbopackIgnore: true */ "koffi"
  ).catch((error: unknown) => {
    throw new DistributedError(
      "mpi: needs the package koffi, which calls MPI's library, and it cannot be loaded. Run `npm install koffi`.",
      { cause: error },
    );
  });
  keepHandlersOfV8();
  const { library, file } = loadFirst(koffi.load, candidates(launch, wanted));
  return { library, abi: abiOf(library, file) };
}

/**
 * UCX, which MPICH and Open MPI use on fast networks, rewrites the code of mmap to watch it, while V8's threads may be running
 * it, and takes over SIGSEGV, by which V8 sees WebAssembly's bounds. What the user has set stays.
 */
function keepHandlersOfV8(): void {
  process.env["UCX_MEM_EVENTS"] ??= "no";
  process.env["UCX_ERROR_SIGNALS"] ??= "";
}

function candidates(launch: Launch | null, wanted: string | undefined): readonly string[] {
  if (wanted !== undefined && wanted !== "") return [wanted];
  const known = LIBRARIES[process.platform] ?? [];
  const rank = (make: Launch["family"]): number => {
    if (launch === null || launch.family === null || make === launch.family) return 0;
    return make === null ? 1 : 2;
  };
  return [...known].sort((a, b) => rank(a.make) - rank(b.make)).map(({ file }) => file);
}

function loadFirst(
  load: (file: string, options: { global: boolean }) => Library,
  files: readonly string[],
): { library: Library; file: string } {
  const refused: string[] = [];
  for (const file of files) {
    try {
      // global: Open MPI's plugins look for the library's symbols among those of the process.
      return { library: load(file, { global: true }), file };
    } catch (error) {
      refused.push(`${file}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const tried = files.length > 0 ? refused.join("; ") : `no names known for ${process.platform}`;
  throw new DistributedError(
    `mpi: needs a library of MPI, got none (${tried}). Install Open MPI or MPICH ` +
      "(Debian: apt-get install openmpi-bin, or mpich), or set GRADLOOM_MPI to the path of libmpi.so.",
  );
}

function abiOf(library: Library, file: string): Abi {
  if (file.includes("mpi_abi")) return STANDARD;
  const symbol = (name: string): bigint => BigInt(library.symbol(name) as bigint);
  try {
    return openMpi(symbol);
  } catch {
    return MPICH; // which exports no such objects
  }
}
