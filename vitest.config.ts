import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";

export default defineConfig(({ mode }) => ({
  test: {
    env: {
      // `npm run test:full` tries this many times more random cases.
      GRADLOOM_TEST_MORE: mode === "full" ? "20" : "1",
      // Commands under test keep their tokens here and not in the home folder.
      GRADLOOM_CACHE: join(tmpdir(), "gradloom-test-cache"),
    },
    include: ["test/**/*.test.ts"],
    globalSetup: ["scripts/adapters/softwareGpu.ts"],
    // Two cores: more workers than that only make the timed tests noisy.
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
}));
