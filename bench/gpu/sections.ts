// The sections of bench:gpu, in order: checks, then what is measured and at which sizes.

import type { WebGpuDevice } from "../../src/tensor/webgpu/webgpuDevice.ts";
import { FLAN_T5_SMALL } from "../flanT5Small.ts";
import { kernelBenches } from "../kernels/index.ts";
import { measureGpuPeaks } from "../peaks/webgpu.ts";
import type { Peaks } from "../peaks/peaks.ts";
import { validate } from "../validate.ts";
import { checkKernels } from "./kernelChecks.ts";
import { checkAgainstCpu, checkGolden, checkMatrixUnits } from "./modelChecks.ts";
import { FLAN_T5_BASE, TINY } from "./models.ts";
import { generationFigures, stepFigures } from "./modelSpeed.ts";
import { profileFigures } from "./profile.ts";
import { attentionFigures, linearFigures, matmulFigures, type Figure } from "./speed.ts";
import { tuningFigures } from "./tuning.ts";

/** @returns what passed, or what was measured. @throws {Error} that says what did not pass */
export type Work = (device: WebGpuDevice) => Promise<string | readonly Figure[]>;

type Sections = Readonly<Record<string, Work>>;

/** Every definition that the benches of kernels state, at T5's shapes; all that a program which plays a GPU can do in time. */
async function checkDefinitions(device: WebGpuDevice, quick: boolean): Promise<string> {
  const benches = kernelBenches.filter(({ flops, bytes }) => !quick || flops + bytes < 5e7);
  const problems: string[] = [];
  for (const bench of benches) {
    await validate(device, bench).catch((error: unknown) => problems.push(String(error)));
  }
  if (problems.length > 0) throw new Error(problems.join("\n"));
  return `${benches.length} kernels at T5's shapes`;
}

/** The last measured. */
let peaks: Peaks | null = null;

async function peakFigures(device: WebGpuDevice, quick: boolean): Promise<Figure[]> {
  peaks = await measureGpuPeaks(device, quick);
  return [
    { what: "multiply-adds in registers, f32", value: peaks.flops / 1e9, unit: "GFLOP/s" },
    { what: "copy, read + written", value: peaks.bytes / 1e9, unit: "GB/s" },
  ];
}

const small = { name: "flan-t5-small", fields: FLAN_T5_SMALL };
const base = { name: "flan-t5-base", fields: FLAN_T5_BASE };
const tiny = { name: "tiny T5", fields: { ...TINY, vocab_size: 4000 } };

function checks(quick: boolean, shared: string | null): Sections {
  return {
    "check kernels": (device) => checkKernels(device, quick ? 3 : 40),
    "check definitions": (device) => checkDefinitions(device, quick),
    "check model": checkAgainstCpu,
    "check matrix units": (device) => checkMatrixUnits(device, quick),
    ...(shared === null ? {} : { "check golden": (device) => checkGolden(device, shared) }),
  };
}

const full: Sections = {
  peaks: (device) => peakFigures(device, false),
  "tuning on first use": (device) => tuningFigures(device, 2),
  matmul: (device) => matmulFigures(device, [2048, 4096], peaks, false),
  "products of T5": (device) => linearFigures(device, 8 * 512, 768, 2048, false),
  attention: (device) => attentionFigures(device, [8, 512, 12, 64], false),
  "step of the notebook": (device) =>
    stepFigures(device, {
      ...{ ...base, name: "flan-t5-base bf16, 8 x (512 + 512)", dtype: "bf16" },
      ...{ texts: 8, source: 512, target: 512, steps: 10, isNotebook: true },
    }),
  "step in fp16": (device) =>
    stepFigures(device, {
      ...{ ...base, name: "flan-t5-base fp16, 8 x (512 + 512)", dtype: "f32", autocast: "f16" },
      ...{ texts: 8, source: 512, target: 512, steps: 10 },
    }),
  "step of flan-t5-small": (device) =>
    stepFigures(device, {
      ...{ ...small, name: "flan-t5-small f32, 8 x (256 + 64)", dtype: "f32" },
      ...{ texts: 8, source: 256, target: 64, steps: 20 },
    }),
  "generation base": (device) =>
    generationFigures(device, { ...base, dtype: "bf16", source: 128, tokens: 128 }),
  "generation small": (device) =>
    generationFigures(device, { ...small, dtype: "bf16", source: 128, tokens: 128 }),
  "profile of the notebook": (device) =>
    profileFigures(device, {
      ...{ ...base, name: "bf16", dtype: "bf16", texts: 8, source: 512, target: 512 },
    }),
  "profile in fp16": (device) =>
    profileFigures(device, {
      ...{ ...base, name: "fp16", dtype: "f32", autocast: "f16" },
      ...{ texts: 8, source: 512, target: 512 },
    }),
  "tuning of everything": (device) => tuningFigures(device, Infinity),
};

/** The same on a scale that a CPU which plays a GPU does in two minutes. */
const scaledDown: Sections = {
  peaks: (device) => peakFigures(device, true),
  "tuning on first use": (device) => tuningFigures(device, 2),
  matmul: (device) => matmulFigures(device, [128, 256], peaks, true),
  "products of T5": (device) => linearFigures(device, 64, 64, 128, true),
  attention: (device) => attentionFigures(device, [2, 64, 3, 16], true),
  "step of the notebook": (device) =>
    stepFigures(device, {
      ...{ ...tiny, name: "tiny T5 bf16, 4 x (64 + 64)", dtype: "bf16" },
      ...{ texts: 4, source: 64, target: 64, steps: 3 },
    }),
  "step in fp16": (device) =>
    stepFigures(device, {
      ...{ ...tiny, name: "tiny T5 fp16, 2 x (32 + 32)", dtype: "f32", autocast: "f16" },
      ...{ texts: 2, source: 32, target: 32, steps: 2 },
    }),
  "profile of the notebook": (device) =>
    profileFigures(device, {
      ...{ ...tiny, name: "bf16", dtype: "bf16", texts: 2, source: 32, target: 32 },
    }),
  "generation small": (device) =>
    generationFigures(device, { ...tiny, dtype: "bf16", source: 16, tokens: 16 }),
};

/** @param shared folder that holds golden/, null for none */
export function sectionsOf({
  quick,
  shared,
}: {
  readonly quick: boolean;
  readonly shared: string | null;
}): readonly (readonly [string, Work])[] {
  return Object.entries({ ...checks(quick, shared), ...(quick ? scaledDown : full) });
}
