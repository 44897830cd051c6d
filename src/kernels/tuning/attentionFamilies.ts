// What is measured of attention: tiles of queries and of keys, in registers and on matrix units.

import type { WebGpuDevice } from "../../tensor/webgpu/webgpuDevice.ts";
import type { AdapterFacts } from "../../tensor/wgsl.ts";
import { attentionBackward } from "../attention/backward.ts";
import { attentionForward } from "../attention/forward.ts";
import type { AttentionOptions } from "../attention/options.ts";
import {
  defaultHeadTiles,
  measuredAttention,
  setAttentionTiles,
  type AttentionTiles,
  type HeadTiles,
  type TileShape,
} from "../attention/tileSizes.ts";
import { unitsOf } from "../attention/units.ts";
import type { Family } from "./fastest.ts";
import { waves } from "./matmulFamilies.ts";

/** FLAN-T5-base's heads over half a batch of the notebook's. */
const SIZES = { batch: 4, length: 512, heads: 12, headDim: 64 };
const SOFTWARE_SIZES = { batch: 1, length: 64, heads: 2, headDim: 64 };

const shape = (KEY_LANES: number, QUERY_LANES: number, PER_LANE: number): TileShape => ({
  ...{ KEY_LANES, QUERY_LANES, PER_LANE },
});
const inRegisters: Readonly<Record<keyof HeadTiles, readonly TileShape[]>> = {
  query: [shape(8, 16, 2), shape(8, 16, 4), shape(16, 16, 2), shape(8, 32, 1), shape(16, 8, 4)],
  key: [shape(8, 16, 2), shape(16, 16, 1), shape(16, 8, 4), shape(8, 32, 2)],
};
const inSoftware: Readonly<Record<keyof HeadTiles, readonly TileShape[]>> = {
  query: [shape(4, 1, 8), shape(4, 1, 16)],
  key: [shape(4, 1, 4), shape(4, 1, 16)],
};
/** 8 lanes of keys are the width that unit shaders are written for. */
const onUnits: Readonly<Record<keyof HeadTiles, readonly TileShape[]>> = {
  query: [shape(8, 16, 1), shape(8, 16, 2), shape(8, 16, 4), shape(8, 32, 1)],
  key: [shape(8, 16, 1), shape(8, 16, 4), shape(8, 32, 1), shape(8, 32, 2)],
};

/** Tiles in registers: the forward pass goes by tiles of queries, most of the backward pass by those of keys. */
export function registerAttention(device: WebGpuDevice, kind: keyof HeadTiles): Family<TileShape> {
  const { adapter } = device;
  const before = attentionNow(adapter);
  return {
    name: `attention in registers, tiles of ${kind === "query" ? "queries" : "keys"}`,
    candidates: tried(
      adapter,
      before.registers[kind],
      (adapter.software ? inSoftware : inRegisters)[kind],
    ),
    apply(candidate) {
      const registers = { ...before.registers, [kind]: candidate };
      setAttentionTiles(adapter.name, { ...before, registers });
    },
    ...callOf(device, kind, false),
  };
}

/** On units; of queries also registers. Null where attention of rounded operands has no units. */
export function unitAttention(
  device: WebGpuDevice,
  kind: keyof HeadTiles,
): Family<TileShape | null> | null {
  const { adapter } = device;
  const before = attentionNow(adapter);
  const { units } = before;
  if (units === null) return null;
  const shapes = tried(adapter, units[kind], onUnits[kind]);
  return {
    name: `attention on matrix units, tiles of ${kind === "query" ? "queries" : "keys"}`,
    candidates: kind === "query" ? [...shapes, null] : shapes,
    apply(candidate) {
      const now = candidate && { ...units, [kind]: candidate };
      setAttentionTiles(adapter.name, { ...before, units: now });
    },
    ...callOf(device, kind, true),
  };
}

/** What the adapter uses now. */
function attentionNow(adapter: AdapterFacts): AttentionTiles {
  const measured = measuredAttention(adapter);
  if (measured) return measured;
  const { length: queries } = SIZES;
  const hasUnits = unitsOf(adapter, { queries, keys: queries }, true) !== null;
  return {
    registers: defaultHeadTiles(adapter, false),
    units: hasUnits ? defaultHeadTiles(adapter, true) : null,
  };
}

/** The present tile and the others that the adapter has invocations for. */
function tried(
  adapter: AdapterFacts,
  present: TileShape,
  shapes: readonly TileShape[],
): readonly TileShape[] {
  const others = shapes.filter(
    ({ KEY_LANES, QUERY_LANES, PER_LANE }) =>
      KEY_LANES * QUERY_LANES <= adapter.workgroupInvocations &&
      (KEY_LANES !== present.KEY_LANES ||
        QUERY_LANES !== present.QUERY_LANES ||
        PER_LANE !== present.PER_LANE),
  );
  return [present, ...others];
}

/** Attention of T5 with its bias; the backward pass without that of the bias. */
function callOf(
  device: WebGpuDevice,
  kind: keyof HeadTiles,
  roundToF16: boolean,
): Pick<Family<never>, "run" | "flops"> {
  const { batch, length, heads, headDim } = device.adapter.software ? SOFTWARE_SIZES : SIZES;
  const options: AttentionOptions = {
    ...{ heads, bias: waves(device, [heads, length, length]), mask: null },
    ...{ causal: false, scale: 1 / Math.sqrt(headDim), dropout: null, roundToF16 },
  };
  const x = waves(device, [batch, length, heads * headDim]);
  const products = 2 * batch * heads * length * length * headDim;
  if (kind === "query") {
    return { run: () => attentionForward(x, x, x, options).y, flops: 2 * products };
  }
  const { y, lse } = attentionForward(x, x, x, options);
  const saved = { q: x, k: x, v: x, bias: options.bias, mask: null, offsets: null, y, lse };
  const needs = { q: false, k: true, v: true, bias: false };
  return { run: () => attentionBackward(x, saved, options, needs).dk!, flops: 4 * products };
}
