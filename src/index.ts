// The public interface: everything that `import ... from "gradloom"` offers.

export * from "./browser.ts";

// Its cache is the user's folder, which all programs share.
export { preprocessCached, type CacheOptions } from "./data/tokenCache.ts";

// Processes that train together find each other through MPI, which pages have not.
export { openProcessGroup } from "./distributed/openProcessGroup.ts";

// Asks Linux, which pages have not.
export { hugePages } from "./system/hugePages.ts";
