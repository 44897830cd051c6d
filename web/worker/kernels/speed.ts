// The matmul benchmark: a product of two square matrices on the device, and the peak that it is a share of.

import { Generator, matmul, noGrad, rand, scope, type Tensor } from "gradloom";
import type { MatmulRate, MatmulRequest, Peak } from "../../protocol/kernels.ts";
import { theDevice } from "../session.ts";
import { peakOf } from "./peak.ts";
import { secondsPerRun } from "./timing.ts";

export function measurePeak(): Promise<Peak> {
  return peakOf(theDevice());
}

/** An f32 product [size, size] x [size, size]. */
export async function measureMatmul({ size }: MatmulRequest): Promise<MatmulRate> {
  const device = theDevice();
  const generator = new Generator(1);
  const [a, b] = [0, 1].map(() => rand([size, size], { device, generator })) as [Tensor, Tensor];
  const run = (): void =>
    scope(() => {
      noGrad(() => matmul(a, b));
    });
  const seconds = await secondsPerRun(device, run);
  a.dispose();
  b.dispose();
  return { size, milliseconds: 1000 * seconds, flops: (2 * size ** 3) / seconds };
}
