// What the footer of a file says of its columns and row groups, checked before any of it is believed.

import type { ColumnMetaData, FileMetaData, ParquetType, RowGroup, SchemaElement } from "hyparquet";
import { refuse } from "./damage.ts";

/** A column as it is stored: a leaf of the schema. */
export interface Leaf {
  readonly path: readonly string[];
  readonly type: ParquetType;
  readonly typeLength: number | undefined;
  readonly mostDefinition: number;
  readonly mostRepetition: number;
}

/** Where the pages of a column of a row group are. */
export interface Chunk {
  readonly leaf: Leaf;
  readonly metadata: ColumnMetaData;
  readonly begin: number;
  readonly length: number;
  readonly values: number;
}

/** hyparquet looks columns up one by one: more of them take minutes. */
const MOST_COLUMNS = 10_000;
const MOST_DEPTH = 32;
/** A row group is in memory at once. Writers' defaults are below a million rows. */
const MOST_ROWS = 2 ** 23;
const MOST_CELLS = 2 ** 25;
const SMALLER = "write it again with smaller row groups (row_group_size)";

/**
 * The stored columns in their order.
 * @throws {ParquetDamage} for a schema that is no tree of known types
 */
export function leavesOf(schema: readonly SchemaElement[]): Leaf[] {
  const leaves: Leaf[] = [];
  let next = 1;
  const walk = (
    parent: SchemaElement,
    path: readonly string[],
    levels: readonly [number, number],
  ) => {
    if (path.length > MOST_DEPTH) refuse(`columns more than ${MOST_DEPTH} deep`);
    const count = parent.num_children ?? 0;
    if (!Number.isInteger(count) || count < 1 || count > schema.length - next)
      refuse("a schema with wrong numbers of columns");
    for (let i = 0; i < count; i++) {
      if (next >= schema.length) refuse("a schema with wrong numbers of columns");
      const element = schema[next++]!;
      const { name, type, repetition_type: repetition, num_children: children } = element;
      if (typeof name !== "string" || repetition === undefined)
        refuse("a column without a name or repetition");
      const deeper = [...path, name];
      const inside = [
        levels[0] + (repetition === "REQUIRED" ? 0 : 1),
        levels[1] + (repetition === "REPEATED" ? 1 : 0),
      ] as const;
      if (element.logical_type?.type === "VARIANT") refuse(`the column ${name} of type VARIANT`);
      if (type === undefined || Number(children) > 0) {
        walk(element, deeper, inside);
        continue;
      }
      const { type_length: typeLength } = element;
      if (type === "FIXED_LEN_BYTE_ARRAY" && !(Number.isInteger(typeLength) && typeLength! > 0))
        refuse(`values of ${name} without a length`);
      const [mostDefinition, mostRepetition] = inside;
      leaves.push({ path: deeper, type, typeLength, mostDefinition, mostRepetition });
      if (leaves.length > MOST_COLUMNS) refuse(`more than ${MOST_COLUMNS} columns`);
    }
  };
  const [root] = schema;
  if (root === undefined) refuse("no schema");
  walk(root, [], [0, 0]);
  if (next !== schema.length) refuse("a schema with wrong numbers of columns");
  return leaves;
}

/**
 * The chunks of every row group.
 * @param size of the file in bytes
 * @throws {ParquetDamage} for chunks that are not in the file or overlap, and groups larger than is read at once
 */
export function chunksOf(
  { row_groups: groups }: FileMetaData,
  leaves: readonly Leaf[],
  size: number,
) {
  let stored = 0;
  return groups.map((group) => {
    const chunks = chunksOfGroup(group, leaves, size);
    for (const { length } of chunks) stored += length;
    if (stored > size) refuse("columns that overlap");
    return { rows: whole(group.num_rows, MOST_ROWS), chunks };
  });
}

function chunksOfGroup(
  { columns, num_rows: rows }: RowGroup,
  leaves: readonly Leaf[],
  size: number,
) {
  whole(rows, Infinity);
  if (Number(rows) > MOST_ROWS)
    refuse(`${rows} rows in a row group (at most ${MOST_ROWS}; ${SMALLER})`);
  if (columns.length !== leaves.length) refuse("a row group without some of the columns");
  let cells = 0;
  return columns.map(({ meta_data: metadata, file_path: otherFile }, i): Chunk => {
    const leaf = leaves[i]!;
    if (otherFile !== undefined) refuse("columns in another file");
    if (metadata === undefined) refuse("encrypted columns");
    if (metadata.type !== leaf.type || metadata.path_in_schema.join("\0") !== leaf.path.join("\0"))
      refuse("columns that differ from the schema");
    const values = whole(metadata.num_values, Infinity);
    cells += values;
    if (cells > MOST_CELLS) refuse(`more than ${MOST_CELLS} values in a row group (${SMALLER})`);
    if (leaf.mostRepetition === 0 && values !== Number(rows))
      refuse(`${values} values for ${rows} rows`);
    const dictionary = whole(metadata.dictionary_page_offset ?? 0n, size);
    const data = whole(metadata.data_page_offset, size);
    const begin = dictionary > 0 ? Math.min(dictionary, data) : data;
    const length = whole(metadata.total_compressed_size, size - begin);
    return { leaf, metadata, begin, length, values };
  });
}

/** A number of the footer, which says of any kind what it likes. */
function whole(value: unknown, most: number): number {
  const number = typeof value === "bigint" ? Number(value) : NaN;
  return number >= 0 && number <= most
    ? number
    : refuse("sizes or places that are not in the file");
}
