// Prints the structure of src as a table: rooms (a folder, or a file beside folders), arrows (rooms that import
// another), circles, sizes of files and functions. `npm run structure [-- FOLDER]`; test/meta/layers.test.ts
// reads the same graph.

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, relative } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const IMPORT =
  /^(?:import|export)\b[^;]*?\bfrom\s*"(\.[^"]+)"|\bimport\(\s*"(\.[^"]+)"\s*\)|\bnew URL\(\s*"(\.[^"]+)"/gms;

/**
 * Every TypeScript file below a folder with the files of that folder that it imports; type-only imports count too.
 * @returns paths relative to `root`, with "/" between names
 */
type Graph = Map<string, string[]>;

export function importGraph(root: string): Graph {
  const files = readdirSync(root, { recursive: true })
    .map((name) => String(name).replaceAll("\\", "/"))
    .filter((name) => name.endsWith(".ts") && !name.includes("wasm/generated/"))
    .sort();
  const known = new Set(files);
  const graph: Graph = new Map();
  for (const file of files) {
    const text = readFileSync(join(root, file), "utf8");
    const targets = [...text.matchAll(IMPORT)].map((match) => {
      const path = posix.join(posix.dirname(file), (match[1] ?? match[2] ?? match[3])!);
      return known.has(path) ? path : `${path}.ts`;
    });
    graph.set(file, [...new Set(targets.filter((path) => known.has(path) && path !== file))]);
  }
  return graph;
}

/**
 * The circles of a graph: groups of nodes each of which leads to every other (Tarjan's strongly connected components).
 * @returns groups of two nodes and more
 */
export function circles(graph: Graph): string[][] {
  const order = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const groups: string[][] = [];
  const visit = (node: string): void => {
    order.set(node, order.size);
    low.set(node, order.get(node)!);
    stack.push(node);
    for (const next of graph.get(node) ?? []) {
      if (!order.has(next)) visit(next);
      if (stack.includes(next)) low.set(node, Math.min(low.get(node)!, low.get(next)!));
    }
    if (low.get(node) !== order.get(node)) return;
    const group = stack.splice(stack.indexOf(node));
    if (group.length > 1) groups.push(group.sort());
  };
  for (const node of graph.keys()) if (!order.has(node)) visit(node);
  return groups;
}

/**
 * The graph of what `roomOf` maps files to.
 */
export function roomGraph(graph: Graph, roomOf: (file: string) => string): Graph {
  const rooms = new Map<string, Set<string>>();
  for (const [file, targets] of graph) {
    const room = roomOf(file);
    if (!rooms.has(room)) rooms.set(room, new Set());
    for (const target of targets) if (roomOf(target) !== room) rooms.get(room)!.add(roomOf(target));
  }
  return new Map([...rooms].map(([room, targets]) => [room, [...targets].sort()]));
}

const arrowsOf = (graph: Graph): number =>
  [...graph.values()].reduce((sum, targets) => sum + targets.length, 0);

/** A direct child of `folder`: a file there is a room of its own, a folder is one room with all that it holds. */
const childOf =
  (folder: string) =>
  (file: string): string =>
    file.slice(folder.length).split("/")[0]!;

function insideOf(graph: Graph, folder: string): Graph {
  const own = [...graph].filter(([file]) => file.startsWith(folder));
  return new Map(
    own.map(([file, targets]) => [file, targets.filter((path) => path.startsWith(folder))]),
  );
}

function quantiles(values: number[]) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  return { count: sorted.length, median: at(0.5), p90: at(0.9), max: sorted.at(-1) };
}

/** Lines of every named function, method and arrow function with a body, counted by TypeScript's own parser. */
function functionLines(root: string, files: string[]): number[] {
  const lines: number[] = [];
  for (const file of files) {
    const source = ts.createSourceFile(
      file,
      readFileSync(join(root, file), "utf8"),
      ts.ScriptTarget.Latest,
      true,
    );
    const visit = (node: ts.Node): void => {
      if (ts.isFunctionLike(node) && "body" in node && node.body !== undefined) {
        const line = (position: number): number =>
          source.getLineAndCharacterOfPosition(position).line;
        lines.push(line(node.end) - line(node.getStart()) + 1);
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  return lines;
}

function main(root: string): void {
  const graph = importGraph(root);
  const files = [...graph.keys()];
  const table: object[] = [];
  const row = (name: string, inner: Graph, room: (file: string) => string): void => {
    const rooms = roomGraph(inner, room);
    table.push({
      where: name,
      files: inner.size,
      rooms: rooms.size,
      arrows: arrowsOf(rooms),
      "circles of rooms": circles(rooms).length,
      "circles of files": circles(inner).length,
    });
  };
  row("src", graph, childOf(""));
  for (const folder of new Set(
    files.filter((file) => file.includes("/")).map((file) => file.split("/")[0]!),
  ))
    row(`src/${folder}`, insideOf(graph, `${folder}/`), childOf(`${folder}/`));
  console.table(table);
  const sizes = quantiles(
    files.map((file) => readFileSync(join(root, file), "utf8").split("\n").length - 1),
  );
  console.log("lines of a file:    ", sizes);
  console.log("lines of a function:", quantiles(functionLines(root, files)));
  for (const group of circles(graph)) console.log("circle of files:", group.join(", "));
}

const here = fileURLToPath(import.meta.url);
if (process.argv[1] === here) {
  main(
    join(
      process.cwd(),
      process.argv[2] ?? relative(process.cwd(), join(dirname(here), "..", "src")),
    ),
  );
}
