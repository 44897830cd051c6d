// Compute pipelines, compiled asynchronously and in parallel, each text once.

import type { KernelDescription, KernelParams, KernelTensors } from "../device.ts";
import type { WgslPass, WgslShader, WgslTemporary } from "../wgsl.ts";
import { COMPUTE_STAGE } from "./flags.ts";
import { shaderError } from "./shaderError.ts";
import {
  labelOf,
  shaderInterface,
  shaderSource,
  workgroupSizeOf,
  type ShaderInterface,
} from "./shaderSource.ts";

/** A pipeline that may still be compiling. */
export interface Pipeline {
  readonly label: string;
  readonly source: string;
  readonly shape: ShaderInterface;
  readonly bindGroupLayout: GPUBindGroupLayout;
  /** Tells bind-group layouts apart, for hashes of bind groups. */
  readonly layoutNumber: number;
  /** null until `ready`. */
  compiled: GPUComputePipeline | null;
  error: Error | null;
  /** Resolves when `compiled` or `error` is set; never rejects. */
  readonly ready: Promise<void>;
}

interface Layout {
  readonly number: number;
  readonly group: GPUBindGroupLayout;
  readonly pipeline: GPUPipelineLayout;
}

/** The variants of one shader of one kernel. */
interface ShaderVariants {
  readonly shape: ShaderInterface;
  readonly byConstants: Map<string, Pipeline>;
}

export class PipelineCache {
  readonly #device: GPUDevice;
  readonly #shaders = new Map<KernelDescription, Map<WgslShader, ShaderVariants>>();
  readonly #bySource = new Map<string, Pipeline>();
  readonly #layouts = new Map<string, Layout>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Pipelines made so far. */
  get size(): number {
    return this.#bySource.size;
  }

  /** The pipeline of a pass; starts to compile when it is new. */
  get(
    kernel: KernelDescription,
    pass: WgslPass,
    constants: KernelParams,
    tensors: KernelTensors,
    temporaries: Readonly<Record<string, WgslTemporary>> | undefined,
  ): Pipeline {
    const variants = this.#variants(kernel, pass.shader, temporaries);
    const { shape } = variants;
    // Composing and comparing whole texts for each dispatch would cost more than the dispatch.
    let key = `${workgroupSizeOf(pass)}`;
    for (const [name] of shape.constants) key += `,${pass.constants?.[name] ?? constants[name]}`;
    for (const { name, optional } of shape.bindings) {
      if (optional) key += tensors[name] ? "+" : "-";
    }
    let pipeline = variants.byConstants.get(key);
    if (pipeline === undefined) {
      const given = (name: string): boolean => Boolean(tensors[name]);
      const source = shaderSource(kernel, pass, shape, constants, given);
      pipeline = this.#bySource.get(source) ?? this.#compile(kernel, pass.shader, shape, source);
      variants.byConstants.set(key, pipeline);
      this.#bySource.set(source, pipeline);
    }
    return pipeline;
  }

  #variants(
    kernel: KernelDescription,
    shader: WgslShader,
    temporaries: Readonly<Record<string, WgslTemporary>> | undefined,
  ): ShaderVariants {
    let shaders = this.#shaders.get(kernel);
    if (shaders === undefined) this.#shaders.set(kernel, (shaders = new Map()));
    let variants = shaders.get(shader);
    if (variants === undefined) {
      const shape = shaderInterface(kernel, shader, temporaries);
      shaders.set(shader, (variants = { shape, byConstants: new Map() }));
    }
    return variants;
  }

  #compile(
    kernel: KernelDescription,
    shader: WgslShader,
    shape: ShaderInterface,
    source: string,
  ): Pipeline {
    const label = labelOf(kernel, shader);
    const layoutKey =
      shape.bindings.map(({ access }) => access[0]).join("") + (shape.params.length > 0 ? "p" : "");
    const layout = this.#layout(layoutKey);
    // The pipeline's error tells the same as the module's, and later.
    this.#device.pushErrorScope("validation");
    const module = this.#device.createShaderModule({ label, code: source });
    void this.#device.popErrorScope().catch(() => null);
    const compiling = this.#device.createComputePipelineAsync({
      label,
      layout: layout.pipeline,
      compute: { module, entryPoint: "main" },
    });
    const ready = compiling.then(
      (compiled) => {
        pipeline.compiled = compiled;
      },
      async (cause: unknown) => {
        pipeline.error = await shaderError(label, source, module, cause);
      },
    );
    const pipeline: Pipeline = {
      label,
      source,
      shape,
      bindGroupLayout: layout.group,
      layoutNumber: layout.number,
      compiled: null,
      error: null,
      ready,
    };
    return pipeline;
  }

  /** @param key one letter a binding: r read, w write, p params */
  #layout(key: string): Layout {
    const known = this.#layouts.get(key);
    if (known) return known;
    const entries = [...key].map((letter, binding) => ({
      binding,
      visibility: COMPUTE_STAGE,
      buffer: bufferLayout(letter),
    }));
    const group = this.#device.createBindGroupLayout({ label: key, entries });
    const pipeline = this.#device.createPipelineLayout({ label: key, bindGroupLayouts: [group] });
    const layout = { number: this.#layouts.size, group, pipeline };
    this.#layouts.set(key, layout);
    return layout;
  }
}

function bufferLayout(letter: string): GPUBufferBindingLayout {
  if (letter === "p") return { type: "uniform", hasDynamicOffset: true };
  return { type: letter === "r" ? "read-only-storage" : "storage" };
}
