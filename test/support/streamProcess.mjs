// Counts the rows of a stream with the built package: a process whose memory a test limits. Arguments: folder, split.

import { streamDataset } from "../../dist/index.js";

const [folder, split] = process.argv.slice(2);
let rows = 0;
for await (const row of await streamDataset(folder, split)) if (row.summary === "short") rows++;
process.stdout.write(String(rows));
