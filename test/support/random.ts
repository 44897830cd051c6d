// Seeded values for tests, as the package offers them.

export { dim, seed, uniform, values, wideDim } from "../../src/testing/random.ts";
