// Pages of 2 MiB for the memories of cpu devices. A processor finds an address by way of its page, and knows a few thousand pages
// at a time: weights of 250 MB are 60,000 pages of 4 KiB and 120 of 2 MiB, and in a virtual machine every page is looked up
// twice. Most distributions of Linux give large pages to who asks for them (/sys/kernel/mm/transparent_hugepage/enabled is
// "madvise"), and V8 does not ask. PyTorch asks where THP_MEM_ALLOC_ENABLE is 1. docs/internals/measurements/cpu.md#huge-pages has
// what it brought. It stands outside of the engine, which needs no package.

import { DeviceError } from "../tensor/errors.ts";
import type { AdviseMemory } from "../tensor/memoryPool.ts";
import { isNode } from "../tensor/runtime.ts";

/** MADV_HUGEPAGE of Linux's madvise(2). */
const MADV_HUGEPAGE = 14;
/** Of a 32-bit WebAssembly memory V8 reserves the addresses at once, whatever it has committed. */
const RESERVED_BYTES = 2 ** 32;

/**
 * Loads what asks Linux for pages of 2 MiB: `openDevice("cpu", { adviseMemory: await hugePages() })`. It spares up to
 * 8% of the time on a quiet virtual machine, and up to half on a busy one; memory then grows by 2 MiB at a time.
 * @throws {DeviceError} outside of Node on Linux, and without the optional package koffi; the function, when Linux refuses
 */
export async function hugePages(): Promise<AdviseMemory> {
  if (!isNode || process.platform !== "linux") {
    throw new DeviceError(
      `hugePages: must be called in Node on Linux, got ${isNode ? process.platform : "a page"}. Leave adviseMemory out.`,
    );
  }
  const { default: koffi } = await import(
    /* webpackIgnore: true */ /* turbopackIgnore: true */ "koffi"
  ).catch((error: unknown) => {
    throw new DeviceError(
      "hugePages: needs the package koffi, which calls Linux, and it cannot be loaded. Run `npm install koffi`, or leave " +
        "adviseMemory out.",
      { cause: error },
    );
  });
  const madvise = koffi.load(null).func("int madvise(void *address, size_t length, int advice)");
  return ({ buffer }) => {
    const status = madvise(koffi.address(new Uint8Array(buffer)), RESERVED_BYTES, MADV_HUGEPAGE);
    if (status === 0) return;
    throw new DeviceError(
      `hugePages: Linux must know transparent huge pages, got errno ${koffi.errno()} of madvise. Leave adviseMemory out.`,
    );
  };
}
