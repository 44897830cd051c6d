// @jax-js/jax, on WebAssembly and on WebGPU, compiled by jit.

import { createRequire } from "node:module";
import { giveNavigator } from "./navigator.ts";
import type { Side } from "./side.ts";
import { EPS, type WorkloadName } from "./workloads.ts";

const require = createRequire(import.meta.url);

/** Finds no Web Workers in Node and computes on one thread. */
export function jaxWasm(): Promise<Side> {
  giveNavigator();
  return side("wasm", "wasm, 1 thread");
}

/** On the adapter of navigator.gpu. */
export function jaxWebGpu(): Promise<Side> {
  return side("webgpu", "webgpu");
}

async function side(backend: "wasm" | "webgpu", description: string): Promise<Side> {
  const { version } = require("./node_modules/@jax-js/jax/package.json");
  const specifier = "@jax-js/jax";
  const jax = await import(specifier);
  if (!(await jax.init(backend)).includes(backend)) {
    throw new Error(`bench: @jax-js/jax must find ${backend}, got no backend`);
  }
  jax.defaultDevice(backend);
  const { numpy: np, nn } = jax;
  type Jax = ReturnType<typeof np.array>;
  // An array is used up by an operation unless `.ref` is passed.
  const compute: Record<WorkloadName, (...x: Jax[]) => Jax> = {
    matmul: (a, b) => np.matmul(a, b),
    linear: (x, weight) => np.matmul(x, np.transpose(weight)),
    softmax: (x) => nn.softmax(x, -1),
    rmsNorm: (x, weight) => {
      const squares = np.mean(np.square(x.ref), -1, { keepdims: true });
      return x.div(np.sqrt(squares.add(EPS))).mul(weight);
    },
    attention: (q, k, v) => np.matmul(nn.softmax(np.matmul(q, np.swapaxes(k, 1, 2)), -1), v),
  };
  return {
    name: `@jax-js/jax ${version} ${description}`,
    async prepare({ name, inputs }) {
      const x = inputs.map(({ shape, values }) => np.array(values, { shape: [...shape] }));
      const run = jax.jit(compute[name]);
      await jax.blockUntilReady(x);
      return () => run(...x.map((each) => each.ref)).data();
    },
    close: () => Promise.resolve(),
  };
}
