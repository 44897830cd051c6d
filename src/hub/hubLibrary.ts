// The calls of @huggingface/hub that a push makes. Bundlers for browsers put hubLibraryOfPages.ts in its place
// (package.json, "browser"): they take the package's files for Node, and fail.

export { commitIter, createBranch, createRepo, HubApiError, whoAmI } from "@huggingface/hub";
