// gradloom/testing: the checks that every op of this library passes, for ops of one's own. Needs the package fast-check.

export { dim, seed, uniform, values, wideDim } from "./testing/random.ts";
export {
  distance,
  gradientsOf,
  type GradientOptions,
  type OpCase,
  type OpInput,
} from "./testing/opCase.ts";
export {
  checkForward,
  checkGradients,
  checkOnWebGpu,
  type TestDevices,
  type WebGpuCheckOptions,
} from "./testing/opChecks.ts";
export {
  describeOp,
  openTestDevices,
  type OpDescription,
  type TestFramework,
} from "./testing/describeOp.ts";
