// The columns of a record batch: whether their buffers hold as many values as they say. apache-arrow reads past the end of a
// short buffer, and gives rows without values, or rows without end.

import type { Data, Vector } from "apache-arrow";
import { refuse } from "./arrowTables.ts";

/** Values of a column in one batch, those in lists counted; as in a row group of Parquet. */
const MOST_VALUES = 2 ** 25;

/** @throws {ArrowDamage} for a column that cannot be what it says */
export function checkColumn({ data }: Vector, checked = new Set<Data>()): void {
  for (const each of data) checkData(each, checked);
}

function checkData(data: Data, checked: Set<Data>): void {
  const { length, nullBitmap, children, dictionary } = data;
  if (checked.has(data) || length === 0) return;
  checked.add(data);
  if (length > MOST_VALUES) refuse(`${length} values in a batch`);
  const bits = nullBitmap?.length ?? 0;
  if (bits > 0 && bits * 8 < length) refuse("a column with too few marks of missing values");
  const lists = data.valueOffsets as ArrayLike<number | bigint> | undefined;
  const type = data.type as { readonly mode?: number };
  if (data.typeIds !== undefined && type.mode !== undefined) checkUnion(data);
  else if (lists !== undefined) checkOffsets(lists, length, holder(data));
  else if (children.length > 0) {
    // Fields of structs, or lists that are all of one size.
    const each = data.stride >= 0 ? data.stride : refuse(`lists of ${data.stride} values`);
    for (const child of children) if (child.length < length * each) refuse("a short list");
  } else checkValues(data);
  if (dictionary !== undefined) checkIndices(data, dictionary, checked);
  for (const child of children) checkData(child, checked);
}

/** How many values the offsets of texts and lists may lead to. */
function holder({ children, values }: Data): number {
  return children[0]?.length ?? (values as { readonly length: number }).length;
}

function checkOffsets(
  offsets: ArrayLike<number | bigint>,
  length: number,
  most: number | bigint,
): void {
  if (offsets.length <= length) refuse("a column with too few offsets");
  let before: number | bigint = 0;
  for (let i = 0; i <= length; i++) {
    if (!(offsets[i]! >= before)) refuse("offsets that go back");
    before = offsets[i]!;
  }
  if (before > most) refuse("an offset beyond the values");
}

/** Numbers, dates and bytes of one width, and views of texts, which apache-arrow checks itself. */
function checkValues({ type, values, length, stride }: Data): void {
  if (values === undefined) return; // a column of nothing but missing values has none
  const isBits = String(type) === "Bool";
  const isViews = /^(Utf8|Binary)View$/.test(String(type));
  const each = isBits ? 1 / 8 : isViews ? VIEW_BYTES : Math.max(stride, 1);
  if ((values as ArrayLike<unknown>).length < length * each) refuse("a column with too few values");
}

const VIEW_BYTES = 16;

function checkUnion({ type, typeIds, valueOffsets, children, length }: Data): void {
  const places = (type as { readonly typeIdToChildIndex?: Readonly<Record<number, number>> })
    .typeIdToChildIndex;
  for (let i = 0; i < length; i++) {
    const child = children[places?.[(typeIds as ArrayLike<number>)[i]!] ?? -1];
    const at = valueOffsets === undefined ? i : (valueOffsets as ArrayLike<number>)[i]!;
    if (child === undefined || !(at >= 0 && at < child.length)) refuse("a value of no type");
  }
}

function checkIndices(data: Data, dictionary: Vector, checked: Set<Data>): void {
  const indices = data.values as ArrayLike<number | bigint>;
  for (let i = 0; i < data.length; i++) {
    if (!data.getValid(i)) continue;
    if (!(indices[i]! >= 0 && indices[i]! < dictionary.length)) refuse("a value of no dictionary");
  }
  checkColumn(dictionary, checked);
}
