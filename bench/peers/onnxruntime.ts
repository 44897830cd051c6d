import { createRequire } from "node:module";
import { onnxModel, type OnnxNode } from "./onnx.ts";
import type { Side } from "./side.ts";
import type { WorkloadName } from "./workloads.ts";

const require = createRequire(import.meta.url);

const NODES: Record<WorkloadName, readonly OnnxNode[]> = {
  matmul: [{ op: "MatMul", inputs: ["x0", "x1"], output: "y" }],
  linear: [{ op: "Gemm", inputs: ["x0", "x1"], output: "y", attributes: { transB: 1 } }],
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
    async prepare({ name, inputs, output }) {
      const shapes = Object.fromEntries(inputs.map(({ shape }, i) => [`x${i}`, shape]));
      const model = onnxModel(NODES[name], shapes, ["y", output]);
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
