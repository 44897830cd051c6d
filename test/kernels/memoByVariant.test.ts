// A shader memo may not hand out the shader of another variant, whichever field sets the two apart.

import { describe, expect, it } from "vitest";
import { matrixShader } from "../../src/kernels/matmul/matrixShader.ts";
import { rowsShader } from "../../src/kernels/matmul/rowsShader.ts";
import { tiledShader } from "../../src/kernels/matmul/tiledShader.ts";
import { memoByVariant } from "../../src/kernels/wgsl/memoByVariant.ts";

type Field = number | string | boolean | readonly number[] | { readonly [name: string]: Field };
type Variant = Readonly<Record<string, Field>>;

const operands = { transposeA: false, transposeB: true, b: "f32", aligned: true } as const;
const tiled = { ...operands, rows: 4, cols: 8, staged: true, partial: false };
const rows = { ...operands, rows: 4, cols: 1, subgroups: false };
const matrix = {
  operands,
  pieces: { a: 1, b: 1, scaling: "tile" },
  ...{ resultsAcross: 2, vectorPanels: true, partial: false, alignedC: true },
  shape: { componentType: "f16", resultType: "f32", m: 16, n: 16, k: 16 },
  tile: { shares: [2, 2], results: [4, 4], tileK: 32 },
};

/** Other values of a field; strings must be ones that the makers know. */
function otherThan(name: string, value: Field): Field {
  if (Array.isArray(value)) return value.map((x: number) => 2 * x);
  if (typeof value === "boolean") return !value;
  if (typeof value === "number") return 2 * value;
  if (name === "b") return "bf16";
  if (name === "scaling") return "rows";
  return name === "componentType" ? "f32" : `${value as string}x`;
}

/** Every variant that differs from `variant` in one field, at any depth, by the name of the field. */
function neighbours(variant: Variant, path = ""): [name: string, other: Variant][] {
  return Object.entries(variant).flatMap(([name, value]): [string, Variant][] =>
    typeof value === "object" && !Array.isArray(value)
      ? neighbours(value as Variant, `${path}${name}.`).map(([at, other]) => [
          at,
          { ...variant, [name]: other },
        ])
      : [[path + name, { ...variant, [name]: otherThan(name, value) }]],
  );
}

describe.each([
  ["tiledShader", tiledShader as (variant: never) => object, tiled],
  ["rowsShader", rowsShader as (variant: never) => object, rows],
  ["matrixShader", matrixShader as (variant: never) => object, matrix],
] as [string, (variant: never) => object, Variant][])("%s", (_name, shaderOf, variant) => {
  it("is one object for equal variants", () => {
    const shader = shaderOf(variant as never);
    expect(shaderOf(structuredClone(variant) as never)).toBe(shader);
    const reversed = Object.fromEntries(Object.entries(variant).reverse());
    expect(shaderOf(reversed as never)).toBe(shader);
  });

  it.each(neighbours(variant))("is another object for another %s", (_field, other) => {
    expect(shaderOf(other as never)).not.toBe(shaderOf(variant as never));
  });
});

describe("memoByVariant", () => {
  it("tells apart what joined text would not, and calls the maker once for each variant", () => {
    const seen: unknown[] = [];
    const shaderOf = memoByVariant((variant: { readonly a: string; readonly b?: string }) => {
      seen.push(variant);
      return { source: variant.a };
    });
    const variants = [{ a: "x,y", b: "z" }, { a: "x", b: "y,z" }, { a: "x" }];
    expect(new Set([...variants, ...structuredClone(variants)].map(shaderOf)).size).toBe(3);
    expect(seen).toEqual(variants);
  });
});
