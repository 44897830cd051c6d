// The libraries that are compared. Each keeps the inputs where it computes and reads the result back.
// The peers are no dependencies of this package, so their types are not here either.

import { createRequire } from "node:module";
import { attentionForward } from "../../src/kernels/attention.ts";
import { matmul } from "../../src/kernels/matmul.ts";
import { openDevice } from "../../src/kernels/openDevice.ts";
import { rmsNormForward } from "../../src/kernels/rmsNorm.ts";
import { softmaxForward } from "../../src/kernels/softmax.ts";
import { tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { giveBlobsFiles } from "./threadsInNode.ts";
import { onnxModel, type OnnxNode } from "./onnx.ts";
import { EPS, type Workload, type WorkloadName } from "./workloads.ts";

const require = createRequire(import.meta.url);

/** Runs a workload once and gives the result's elements. */
export type Run = () => Promise<ArrayLike<number>>;

export interface Side {
  readonly name: string;
  prepare(workload: Workload): Promise<Run>;
  close(): Promise<void>;
}

export async function gradloom(threads: number): Promise<Side> {
  const device = await openDevice("cpu", { threads });
  const plain = { heads: 1, bias: null, mask: null, causal: false, scale: 1, dropout: null };
  const compute: Record<WorkloadName, (x: readonly Tensor[]) => Tensor[]> = {
    matmul: ([a, b]) => [matmul(a!, b!)],
    softmax: ([x]) => [softmaxForward(x!)],
    rmsNorm: ([x, weight]) => Object.values(rmsNormForward(x!, weight!, EPS)),
    attention: ([q, k, v]) => Object.values(attentionForward(q!, k!, v!, plain)),
  };
  return {
    name: "gradloom",
    prepare({ name, inputs }) {
      const x = inputs.map(({ shape, values }) => tensor(values, shape, { device }));
      return Promise.resolve(async () => {
        const outputs = compute[name](x);
        const result = await outputs[0]!.data();
        for (const each of outputs) each.dispose();
        return result;
      });
    },
    close: () => device.close(),
  };
}

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
  type Tf = ReturnType<typeof tf.tensor>;
  const compute: Record<WorkloadName, (x: readonly Tf[]) => Tf> = {
    matmul: ([a, b]) => tf.matMul(a, b),
    softmax: ([x]) => tf.softmax(x),
    rmsNorm: ([x, weight]) =>
      tf.mul(tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), EPS))), weight),
    attention: ([q, k, v]) => tf.matMul(tf.softmax(tf.matMul(q, k, false, true)), v),
  };
  return {
    name: `tfjs-backend-wasm ${wasm.version_wasm}, ${wasm.getThreadsCount()} threads`,
    prepare({ name, inputs }) {
      const x = inputs.map(({ shape, values }) => tf.tensor(values, shape));
      return Promise.resolve(async () => {
        const y = tf.tidy(() => compute[name](x));
        const result = await y.data();
        y.dispose();
        return result;
      });
    },
    close: () => Promise.resolve(tf.removeBackend("wasm")),
  };
}

/** Compiled by jit. It finds no Web Workers in Node and computes on one thread. */
export async function jaxWasm(): Promise<Side> {
  const { version } = require("./node_modules/@jax-js/jax/package.json");
  // Node 20 has no navigator, which the library looks at when it starts.
  if (!("navigator" in globalThis)) {
    const navigator = { hardwareConcurrency: require("node:os").cpus().length };
    Object.defineProperty(globalThis, "navigator", { value: navigator });
  }
  const specifier = "@jax-js/jax";
  const jax = await import(specifier);
  await jax.init("wasm");
  jax.defaultDevice("wasm");
  const { numpy: np, nn } = jax;
  type Jax = ReturnType<typeof np.array>;
  // An array is used up by an operation unless `.ref` is passed.
  const compute: Record<WorkloadName, (...x: Jax[]) => Jax> = {
    matmul: (a, b) => np.matmul(a, b),
    softmax: (x) => nn.softmax(x, -1),
    rmsNorm: (x, weight) => {
      const squares = np.mean(np.square(x.ref), -1, { keepdims: true });
      return x.div(np.sqrt(squares.add(EPS))).mul(weight);
    },
    attention: (q, k, v) => np.matmul(nn.softmax(np.matmul(q, np.swapaxes(k, 1, 2)), -1), v),
  };
  return {
    name: `@jax-js/jax ${version} wasm, 1 thread`,
    async prepare({ name, inputs }) {
      const x = inputs.map(({ shape, values }) => np.array(values, { shape: [...shape] }));
      const run = jax.jit(compute[name]);
      await jax.blockUntilReady(x);
      return () => run(...x.map((each) => each.ref)).data();
    },
    close: () => Promise.resolve(),
  };
}

const NODES: Record<WorkloadName, readonly OnnxNode[]> = {
  matmul: [{ op: "MatMul", inputs: ["x0", "x1"], output: "y" }],
  softmax: [{ op: "Softmax", inputs: ["x0"], output: "y", attributes: { axis: -1 } }],
  rmsNorm: [
    {
      op: "SimplifiedLayerNormalization",
      inputs: ["x0", "x1"],
      output: "y",
      attributes: { axis: -1 },
    },
  ],
  attention: [
    { op: "Einsum", inputs: ["x0", "x1"], output: "s", attributes: { equation: "btd,bsd->bts" } },
    { op: "Softmax", inputs: ["s"], output: "p", attributes: { axis: -1 } },
    { op: "MatMul", inputs: ["p", "x2"], output: "y" },
  ],
};

export function onnxruntime(threads: number): Promise<Side> {
  const ort = require("onnxruntime-node");
  const { version } = require("./node_modules/onnxruntime-node/package.json");
  return Promise.resolve({
    name: `onnxruntime-node ${version}`,
    async prepare({ name, inputs }) {
      const shapes = Object.fromEntries(inputs.map(({ shape }, i) => [`x${i}`, shape]));
      const model = onnxModel(NODES[name], shapes, ["y", inputs[0]!.shape]);
      const session = await ort.InferenceSession.create(model, {
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        logSeverityLevel: 3,
      });
      const feeds = Object.fromEntries(
        inputs.map(({ shape, values }, i) => [`x${i}`, new ort.Tensor("float32", values, shape)]),
      );
      return async () => (await session.run(feeds)).y.data;
    },
    close: () => Promise.resolve(),
  });
}
