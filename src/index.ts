// The public interface: everything that `import ... from "gradloom"` offers.

export * from "./browser.ts";

// These read folders, so pages do without.
export { previewDataset, type PreviewOptions, type SplitPreview } from "./data/previewDataset.ts";
export { loadDataset, streamDataset, type LoadDatasetOptions } from "./data/loadDataset.ts";
export { pushFolderToHub } from "./hub/pushFolder.ts";
export type { RowOptions } from "./data/rowChecks.ts";
export { preprocessCached, type CacheOptions } from "./data/tokenCache.ts";

// Processes that train together find each other through MPI, which pages have not.
export { openProcessGroup } from "./distributed/openProcessGroup.ts";
