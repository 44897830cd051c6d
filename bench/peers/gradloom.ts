import { attentionForward } from "../../src/kernels/attention/forward.ts";
import { matmulForward } from "../../src/kernels/matmul/matmul.ts";
import { rmsNormForward } from "../../src/kernels/rows/rmsNorm.ts";
import { softmaxForward } from "../../src/kernels/rows/softmax.ts";
import type { Device } from "../../src/tensor/device.ts";
import { tensor, type Tensor } from "../../src/tensor/tensor.ts";
import type { Computations, Side } from "./side.ts";
import { EPS } from "./workloads.ts";

const plain = { heads: 1, bias: null, mask: null, causal: false, scale: 1, dropout: null };

const computations: Computations<Tensor, Tensor[]> = {
  matmul: ([a, b]) => [matmulForward(a!, b!)],
  linear: ([x, weight]) => [matmulForward(x!, weight!, { transposeB: true })],
  softmax: ([x]) => [softmaxForward(x!)],
  rmsNorm: ([x, weight]) => Object.values(rmsNormForward(x!, weight!, EPS)),
  attention([q, k, v]) {
    const { y, lse } = attentionForward(q!, k!, v!, plain);
    return [y, lse];
  },
};

export function gradloom(device: Device): Side {
  return {
    name: "gradloom",
    prepare({ name, inputs }) {
      const x = inputs.map(({ shape, values }) => tensor(values, shape, { device }));
      return Promise.resolve(async () => {
        const outputs = computations[name](x);
        const result = await outputs[0]!.data();
        for (const each of outputs) each.dispose();
        return result;
      });
    },
    close: () => device.close(),
  };
}
