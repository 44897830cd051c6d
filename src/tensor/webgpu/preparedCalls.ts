// Calls of kernels, prepared once. A training step makes hundreds of calls, and the next step makes the same: what
// follows from sizes, params and constants alone (the plan, pipelines, grids, packed params) is kept and found again by them.

import type { KernelDescription, KernelParams, KernelTensors } from "../device.ts";
import { dtypes, type Dtype } from "../dtype.ts";
import { invariant } from "../errors.ts";
import type { AdapterFacts, WgslPass, WgslTemporary } from "../wgsl.ts";
import type { Grid } from "./commands.ts";
import { gridOf, planOf } from "./launch.ts";
import { mix } from "./mix.ts";
import { packParams, type PackedParams } from "./paramsArena.ts";
import type { Pipeline, PipelineCache } from "./pipelines.ts";
import { RecentMap } from "./recentMap.ts";

/** Calls kept by a device. Layers share theirs, so that a step has some hundred; the rest is for lengths that come again. */
const MOST_CALLS = 2048;

export interface PreparedPass {
  readonly pass: WgslPass;
  readonly pipeline: Pipeline;
  /** Of each binding of the pipeline, in order: which tensor or temporary of the call it is. */
  readonly sources: readonly string[];
  readonly grid: Grid;
  readonly params: PackedParams | null;
}

export interface PreparedCall {
  readonly passes: readonly PreparedPass[];
  /** Everything the call depends on, which tells it from others with its hash: 64-bit floats, as words. */
  readonly key: Uint32Array;
  readonly temporaries: readonly (readonly [name: string, temporary: WgslTemporary])[];
}

/** What a kernel's declaration says, as lists: walking objects by name is slow. */
interface Names {
  /** Tells the kernel from others in keys. */
  readonly kernel: number;
  /** Without those that vary. */
  readonly params: readonly string[];
  readonly constants: readonly string[];
  /** Room for the key of the call at hand. */
  readonly scratch: Float64Array;
  /** The same bytes. */
  readonly words: Uint32Array;
}

/** Dtypes as numbers, for keys; an absent tensor is -1. */
const dtypeNumbers = Object.fromEntries(
  Object.keys(dtypes).map((dtype, i) => [dtype, i]),
) as Readonly<Record<Dtype, number>>;

export class PreparedCalls {
  readonly #pipelines: PipelineCache;
  readonly #adapter: AdapterFacts;
  readonly #kernels = new Map<KernelDescription, Names>();
  /** By hash. Of two keys with one hash the later stays. */
  readonly #calls = new RecentMap<number, PreparedCall>(MOST_CALLS);

  constructor(pipelines: PipelineCache, adapter: AdapterFacts) {
    this.#pipelines = pipelines;
    this.#adapter = adapter;
  }

  /** @throws as `planOf` */
  get(
    kernel: KernelDescription,
    tensors: KernelTensors,
    params: KernelParams,
    constants: KernelParams,
  ): PreparedCall {
    const names = this.#names(kernel);
    const hash = writeKey(names, kernel, tensors, params, constants);
    const known = this.#calls.get(hash);
    if (known !== undefined && sameWords(known.key, names.words)) return known;
    const call = this.#prepare(kernel, tensors, params, constants, names.words.slice());
    this.#calls.set(hash, call);
    return call;
  }

  /** Plans are asked again for the next call: what they went by has changed. */
  forget(): void {
    this.#calls.clear();
  }

  #names(kernel: KernelDescription): Names {
    let names = this.#kernels.get(kernel);
    if (names === undefined) {
      const params = Object.keys(kernel.params).filter((name) => !kernel.varying.includes(name));
      const constants = Object.keys(kernel.constants);
      const numbers = 1 + 2 * kernel.bindings.length + params.length + constants.length;
      const scratch = new Float64Array(numbers);
      const words = new Uint32Array(scratch.buffer);
      names = { kernel: this.#kernels.size, params, constants, scratch, words };
      this.#kernels.set(kernel, names);
    }
    return names;
  }

  #prepare(
    kernel: KernelDescription,
    tensors: KernelTensors,
    params: KernelParams,
    constants: KernelParams,
    key: Uint32Array,
  ): PreparedCall {
    const plan = planOf(kernel, tensors, steadyParams(kernel, params), constants, this.#adapter);
    const passes: PreparedPass[] = [];
    for (const pass of plan.passes) {
      const grid = gridOf(kernel, pass);
      if (grid === null) continue;
      const pipeline = this.#pipelines.get(kernel, pass, constants, tensors, plan.temporaries);
      const packed = packParams(pipeline.shape.params, kernel.varying, (name) => {
        const value = pass.params?.[name] ?? params[name];
        invariant(value !== undefined, () => `kernel ${kernel.name}: param ${name} has no value`);
        return value;
      });
      const sources = pipeline.shape.bindings.map(({ name }) => pass.tensors?.[name] ?? name);
      passes.push({ pass, pipeline, sources, grid, params: packed });
    }
    return { passes, key, temporaries: Object.entries(plan.temporaries ?? {}) };
  }
}

/** The params that a plan may look at: what it made of another would hold for one call alone. */
function steadyParams(
  { name: kernel, varying }: KernelDescription,
  params: KernelParams,
): KernelParams {
  if (varying.length === 0) return params;
  const steady = { ...params };
  for (const name of varying) {
    Object.defineProperty(steady, name, {
      enumerable: false,
      get: () =>
        invariant(false, () => `kernel ${kernel}: plans may not look at ${name}, which varies`),
    });
  }
  return steady;
}

/** Writes what a call depends on into `scratch`. @returns its hash */
function writeKey(
  { kernel, params: paramNames, constants: constantNames, scratch, words }: Names,
  { bindings }: KernelDescription,
  tensors: KernelTensors,
  params: KernelParams,
  constants: KernelParams,
): number {
  let at = 0;
  scratch[at++] = kernel;
  for (const { name } of bindings) {
    const x = tensors[name];
    scratch[at++] = x ? dtypeNumbers[x.dtype] : -1;
    scratch[at++] = x ? x.size : 0;
  }
  for (const name of paramNames) scratch[at++] = params[name]!;
  for (const name of constantNames) scratch[at++] = constants[name]!;
  let hash = 0;
  for (let i = 0; i < words.length; i += 2) hash = mix(hash, words[i]! ^ words[i + 1]!);
  return hash;
}

function sameWords(a: Uint32Array, b: Uint32Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
