// Parquet files, row group by row group, through hyparquet. It believes what a file says of itself, so that a damaged
// one makes it loop for ever, take all memory or leave a promise rejected that nobody holds. Footer and pages are
// therefore checked here first, and hyparquet gets pages that are unpacked and consistent
// (docs/internals/reliability.md#damaged-input).

import type { AsyncBuffer, FileMetaData } from "hyparquet";
import { joinBytes } from "../../tensor/joinBytes.ts";
import { files } from "../../tensor/files/files.ts";
import type { Row } from "../dataset.ts";
import type { Bytes } from "../files/packedStreams.ts";
import { allBytes } from "../files/packing.ts";
import type { RowRules } from "../rowChecks.ts";
import { unpacker } from "./codecs.ts";
import { parquetError, refuse } from "./damage.ts";
import { chunksOf, leavesOf, type Chunk } from "./layout.ts";
import { unpackedPages, type Unpack } from "./pages.ts";
import { Cursor, readStruct } from "./thrift.ts";

/** Bytes that a row group may unpack to at least, and for each byte of the file. Text packs to a third or a tenth. */
const FREE_BYTES = 2 ** 28;
const UNPACKED_TO_STORED = 32;
const MAGIC = 0x31524150; // "PAR1"

/** A file, or the bytes of one. */
interface Source {
  readonly size: number;
  read(begin: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/**
 * The rows of a file, one row group in memory at a time.
 * @param bytes its content, when it lies packed in the file: all of it is in memory then
 * @throws {DatasetError} naming file, row and column
 */
export async function* parquetRows(
  file: string,
  rules: RowRules,
  bytes?: Bytes,
): AsyncGenerator<Row, void, undefined> {
  let place = "its footer";
  let source: Source | undefined;
  try {
    source = await (bytes === undefined ? openFile(file) : inMemory(bytes));
    const metadata = await readFooter(source);
    const leaves = leavesOf(metadata.schema);
    const groups = chunksOf(metadata, leaves, source.size);
    const { parquetSchema } = await import("hyparquet");
    const columns = parquetSchema(metadata).children;
    const features = columns.map(({ element }) => element.name);
    rules.checkColumns(features, file);
    const unpack = await unpacker();
    let row = 0;
    for (const [i, { rows: count, chunks }] of groups.entries()) {
      place = `row group ${i + 1}`;
      const rows = await readGroup(source, metadata, i, chunks, unpack);
      if (rows.length !== count) refuse(`${rows.length} of ${count} rows`);
      for (const cells of rows) {
        row++;
        // null is a missing value; undefined is one that the pages do not hold, or a missing list.
        const hole = columns.findIndex((x, j) => cells[j] === undefined && x.children.length === 0);
        if (hole >= 0) refuse(`no value in row ${row} of the column ${features[hole]}`);
        const usable = rules.row(
          { file, where: `row ${row}` },
          features.map((column, j) => [column, cells[j]] as const),
        );
        if (usable !== undefined) yield usable;
      }
    }
  } catch (error) {
    throw parquetError(file, place, error);
  } finally {
    await source?.close();
  }
}

async function readFooter(source: Source): Promise<FileMetaData> {
  const { size } = source;
  if (size < 12) refuse(`${size} bytes`);
  const tail = new Cursor(await source.read(size - 8, 8));
  const length = tail.uint32();
  if (tail.uint32() !== MAGIC) refuse("no PAR1 at its end");
  if (length > size - 12) refuse(`a footer of ${length} bytes in a file of ${size}`);
  const footer = await source.read(size - 8 - length, length + 8);
  readStruct(new Cursor(footer, 0, length));
  const { parquetMetadata } = await import("hyparquet");
  const metadata = parquetMetadata(footer, { geoparquet: false });
  delete metadata.schema[0]?.repetition_type; // it has no meaning at the root, and hyparquet counts it
  return metadata;
}

/** Cells of the rows, in the order of the columns. */
async function readGroup(
  source: Source,
  metadata: FileMetaData,
  index: number,
  chunks: readonly Chunk[],
  unpack: Unpack,
): Promise<readonly (readonly unknown[])[]> {
  const budget = { left: FREE_BYTES + UNPACKED_TO_STORED * source.size };
  const group = metadata.row_groups[index]!;
  if (group.num_rows === 0n) return [];
  const parts: Uint8Array[] = [];
  let size = 0;
  const columns = [];
  for (const [i, chunk] of chunks.entries()) {
    const stored = await source.read(chunk.begin, chunk.length);
    const pages = unpackedPages(stored, chunk, unpack, budget);
    const length = pages.reduce((sum, page) => sum + page.length, 0);
    parts.push(...pages);
    const kept = { ...chunk.metadata, codec: "UNCOMPRESSED" as const };
    delete kept.dictionary_page_offset;
    const here = { data_page_offset: BigInt(size), total_compressed_size: BigInt(length) };
    columns.push({
      ...group.columns[i]!,
      meta_data: { ...kept, ...here },
    });
    size += length;
  }
  const unpacked = joinBytes(parts).buffer;
  const file: AsyncBuffer = {
    byteLength: size,
    slice: (begin, end) => unpacked.slice(begin, end),
  };
  const { parquetRead } = await import("hyparquet");
  let rows: readonly unknown[][] = [];
  await parquetRead({
    file,
    metadata: { ...metadata, row_groups: [{ ...group, columns }] },
    parsers: { geometryFromBytes: asText, geographyFromBytes: asText },
    onComplete: (read: unknown[][]) => (rows = read),
  });
  return rows;
}

function asText(bytes: Uint8Array | undefined): string | undefined {
  return bytes && new TextDecoder().decode(bytes);
}

async function openFile(file: string): Promise<Source> {
  const handle = await files.open(file, "r");
  const { size } = await handle.stat();
  return {
    size,
    async read(begin, length) {
      const bytes = new Uint8Array(length);
      for (let done = 0; done < length;) {
        const { bytesRead } = await handle.read(bytes, done, length - done, begin + done);
        if (bytesRead === 0) refuse("a file that became shorter");
        done += bytesRead;
      }
      return bytes;
    },
    close: () => handle.close(),
  };
}

async function inMemory(bytes: Bytes): Promise<Source> {
  const all = await allBytes(bytes);
  return {
    size: all.length,
    read: (begin, length) => Promise.resolve(all.subarray(begin, begin + length)),
    close: () => Promise.resolve(),
  };
}
