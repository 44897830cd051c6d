// Where this code runs.

/** Node, or a runtime with Node's modules (Deno, Bun); false in pages and their workers. */
export const isNode = typeof process === "object" && process.versions?.node !== undefined;
