import { defineConfig } from "vitest/config";

export default defineConfig(({ mode }) => ({
  test: {
    // `npm run test:full` tries this many times more random cases.
    env: { GRADLOOM_TEST_MORE: mode === "full" ? "20" : "1" },
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/softwareGpu.ts"],
    // Two cores: more workers than that only make the timed tests noisy.
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
}));
