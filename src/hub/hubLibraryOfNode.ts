// The calls of @huggingface/hub that reads and pushes make.

export {
  commitIter,
  createBranch,
  createRepo,
  datasetInfo,
  downloadFile,
  HubApiError,
  listFiles,
  modelInfo,
  whoAmI,
} from "@huggingface/hub";
