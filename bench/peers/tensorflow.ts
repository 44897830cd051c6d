// TensorFlow.js, on WebAssembly and on WebGPU.

import { createRequire } from "node:module";
import type { Computations, Side } from "./side.ts";
import { giveBlobsFiles } from "./threadsInNode.ts";
import { EPS } from "./workloads.ts";

const require = createRequire(import.meta.url);

/** SIMD and threads, which tfjs does not look for in Node. */
export async function tensorflowWasm(threads: number): Promise<Side> {
  const restore = giveBlobsFiles();
  const tf = require("@tensorflow/tfjs-core");
  const wasm = require("@tensorflow/tfjs-backend-wasm");
  tf.env().set("WASM_HAS_SIMD_SUPPORT", true);
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", true);
  wasm.setThreadsCount(threads);
  await tf.setBackend("wasm");
  await tf.ready();
  restore();
  const name = `tfjs-backend-wasm ${wasm.version_wasm}, ${wasm.getThreadsCount()} threads`;
  return side(name, "wasm");
}

/** On the adapter of navigator.gpu. */
export async function tensorflowWebGpu(): Promise<Side> {
  const tf = require("@tensorflow/tfjs-core");
  require("@tensorflow/tfjs-backend-webgpu");
  const { version } = require("./node_modules/@tensorflow/tfjs-backend-webgpu/package.json");
  if (!(await tf.setBackend("webgpu"))) {
    throw new Error("bench: tfjs must find the adapter of navigator.gpu, got no backend");
  }
  return side(`tfjs-backend-webgpu ${version}`, "webgpu");
}

function side(name: string, backend: "wasm" | "webgpu"): Side {
  const tf = require("@tensorflow/tfjs-core");
  type Tf = ReturnType<typeof tf.tensor>;
  const computations: Computations<Tf> = {
    matmul: ([a, b]) => tf.matMul(a, b),
    linear: ([x, weight]) => tf.matMul(x, weight, false, true),
    softmax: ([x]) => tf.softmax(x),
    rmsNorm: ([x, weight]) =>
      tf.mul(tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), EPS))), weight),
    attention: ([q, k, v]) => tf.matMul(tf.softmax(tf.matMul(q, k, false, true)), v),
  };
  return {
    name,
    prepare({ name: workload, inputs }) {
      const x = inputs.map(({ shape, values }) => tf.tensor(values, shape));
      return Promise.resolve(async () => {
        const y = tf.tidy(() => computations[workload](x));
        const result = await y.data();
        y.dispose();
        return result;
      });
    },
    close: () => Promise.resolve(tf.removeBackend(backend)),
  };
}
