// The text in front of a shader's own: directives, the Params struct, bindings, constants, the functions that count
// workgroups, and the snippets that it uses. All of it follows from the kernel's declaration.

import type {
  BindingDeclaration,
  BindingType,
  KernelDescription,
  KernelParams,
} from "../device.ts";
import { dtypes } from "../dtype.ts";
import { invariant } from "../errors.ts";
import {
  MAX_STORAGE_BINDINGS,
  type ScalarType,
  type WgslPass,
  type WgslShader,
  type WgslSnippet,
  type WgslTemporary,
} from "../wgsl.ts";

/**
 * Workgroups in a row of the grid of a pass that gives a plain number of them. WebGPU allows 65,535 in one
 * dimension; a fixed width lets `groupIndex` do without the grid's size.
 */
export const GRID_WIDTH = 32768;
const DEFAULT_WORKGROUP_SIZE = 256;

export type Access = "read" | "write";

export interface ShaderBinding {
  readonly name: string;
  readonly access: Access;
  readonly optional: boolean;
  /** WGSL type of an element. */
  readonly element: string;
}

/** What a shader of a kernel is given, in binding order. Params come last, as a uniform. */
export interface ShaderInterface {
  readonly bindings: readonly ShaderBinding[];
  readonly params: readonly (readonly [name: string, type: ScalarType])[];
  readonly constants: readonly (readonly [name: string, type: ScalarType | "bool"])[];
}

type Temporaries = Readonly<Record<string, WgslTemporary>>;

export function shaderInterface(
  kernel: KernelDescription,
  shader: WgslShader,
  temporaries: Temporaries = {},
): ShaderInterface {
  const bind = (name: string, access: Access): ShaderBinding => {
    const declared = kernel.inputs[name] ?? kernel.outputs[name] ?? temporaries[name]?.type;
    invariant(declared, () => `kernel ${kernel.name}: its shader names ${name}, which it lacks`);
    const optional = declared.endsWith("?");
    return { name, access, optional, element: shader.views?.[name] ?? elementType(declared) };
  };
  const bindings = [
    ...(shader.reads ?? Object.keys(kernel.inputs)).map((name) => bind(name, "read")),
    ...(shader.writes ?? Object.keys(kernel.outputs)).map((name) => bind(name, "write")),
  ];
  invariant(
    bindings.length <= MAX_STORAGE_BINDINGS,
    () =>
      `kernel ${kernel.name}: at most ${MAX_STORAGE_BINDINGS} storage bindings a shader, got ${bindings.length}`,
  );
  return {
    bindings,
    params: [...Object.entries(kernel.params), ...Object.entries(shader.params ?? {})],
    constants: [...Object.entries(kernel.constants), ...Object.entries(shader.constants ?? {})],
  };
}

/** WGSL has no storage type for 16-bit floats without a feature: they travel in pairs, in words. */
function elementType(declared: BindingDeclaration): string {
  const type = declared.replace("?", "") as BindingType;
  return type === "float" ? "f32" : dtypes[type].wgslElement;
}

/** Invocations of a pass's workgroups. */
export function workgroupSizeOf(pass: WgslPass): number {
  return pass.workgroupSize ?? pass.shader.workgroupSize ?? DEFAULT_WORKGROUP_SIZE;
}

/**
 * The complete module.
 * @param constants the kernel's own; the pass brings the shader's
 * @param given whether each optional binding has a tensor, by name
 */
export function shaderSource(
  kernel: KernelDescription,
  pass: WgslPass,
  { bindings, params, constants: declared }: ShaderInterface,
  constants: KernelParams,
  given: (name: string) => boolean,
): string {
  const { shader } = pass;
  const lines: string[] = [...(shader.directives ?? []), `// ${labelOf(kernel, shader)}`];
  bindings.forEach(({ name, access, element }, i) => {
    const mode = access === "read" ? "read" : "read_write";
    lines.push(`@group(0) @binding(${i}) var<storage, ${mode}> ${name}: array<${element}>;`);
  });
  if (params.length > 0) {
    const members = params.map(([name, type]) => `${name}: ${type}`).join(", ");
    lines.push(`struct Params { ${members} }`);
    lines.push(`@group(0) @binding(${bindings.length}) var<uniform> params: Params;`);
  }
  for (const { name, optional } of bindings) {
    if (optional) lines.push(`const ${flagName(name)}: bool = ${given(name)};`);
  }
  lines.push(`const WG: u32 = ${workgroupSizeOf(pass)}u;`);
  for (const [name, type] of declared) {
    const value = pass.constants?.[name] ?? constants[name];
    invariant(value !== undefined, () => `kernel ${kernel.name}: constant ${name} has no value`);
    lines.push(`const ${name}: ${type} = ${literal(type, value)};`);
  }
  return [...lines, COUNTING, ...flatten(shader.uses ?? []), shader.source].join("\n");
}

/** Name of a shader in labels, errors and profiles. */
export function labelOf(kernel: KernelDescription, shader: WgslShader): string {
  return shader.name === undefined ? kernel.name : `${kernel.name}.${shader.name}`;
}

/** The constant that says whether optional binding `crossBias` is there: HAS_CROSS_BIAS. */
function flagName(binding: string): string {
  return `HAS_${binding.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toUpperCase()}`;
}

function literal(type: ScalarType | "bool", value: number | boolean): string {
  switch (type) {
    case "bool":
      return String(Boolean(value));
    case "u32":
      return `${Number(value)}u`;
    case "i32":
      return `${Number(value)}i`;
    case "f32":
      return `${Number(value)}f`;
  }
}

const COUNTING = /* wgsl */ `
fn groupIndex(group: vec3<u32>) -> u32 { return group.x + group.y * ${GRID_WIDTH}u; }
fn globalIndex(group: vec3<u32>, local: u32) -> u32 { return groupIndex(group) * WG + local; }
`;

function flatten(snippets: readonly WgslSnippet[]): string[] {
  const seen = new Set<WgslSnippet>();
  const visit = (snippet: WgslSnippet): void => {
    if (seen.has(snippet)) return;
    snippet.uses?.forEach(visit);
    seen.add(snippet);
  };
  snippets.forEach(visit);
  return [...seen].map((snippet) => snippet.source);
}
