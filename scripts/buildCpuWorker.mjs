// Writes dist/cpuWorker.js: the bodies of the cpu device's workers as a script, for pages that may start none from a blob: address
// (openDevice's workerUrl).

import { writeFile } from "node:fs/promises";
import { workerSource as queueSource } from "../dist/tensor/queueWorker.js";
import { poolSource } from "../dist/tensor/threadPool.js";
import { VERSION } from "../dist/tensor/version.js";

const bodies = Object.entries({ pool: poolSource, queue: queueSource });
const text = `// Made by scripts/buildCpuWorker.mjs of gradloom ${VERSION}.
const post = (message) => postMessage(message);
const starts = {
${bodies.map(([role, body]) => `${role}: (() => {${body}return start;\n})(),`).join("\n")}
};
onmessage = ({ data }) => {
  if (data.version !== "${VERSION}") throw new Error("cpuWorker.js is of gradloom ${VERSION}, and the page of " + data.version);
  starts[data.role](data).catch((error) => setTimeout(() => { throw error; }));
};
`;
await writeFile(new URL("../dist/cpuWorker.js", import.meta.url), text);
