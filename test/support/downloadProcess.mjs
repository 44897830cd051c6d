// Downloads a file of a model's repository with the built package: a process of its own for tests of the cache.
// Arguments: repository, file.

import { downloadSnapshot } from "../../dist/hub/snapshot.js";

const [name, file] = process.argv.slice(2);
await downloadSnapshot({ type: "model", name }, () => ({ required: [file] }));
