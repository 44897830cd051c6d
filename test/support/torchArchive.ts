// Archives and pickles as torch.save writes them, and those that it never would.

export interface PickledTensor {
  /** Begins the name of the storage's class: "Float". */
  readonly dtype: string;
  readonly key: string;
  readonly size: number;
  readonly offset?: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** Pieces of a pickle: opcodes as texts of Latin-1. */
export const op = {
  text: (text: string) => {
    const bytes = Buffer.from(text);
    return `X${uint32(bytes.length)}${bytes.toString("latin1")}`;
  },
  int: (value: number) => `J${uint32(value >>> 0)}`,
  global: (module: string, name: string) => `c${module}\n${name}\n`,
  tuple: (...items: string[]) => `(${items.join("")}t`,
};

export function uint32(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes.toString("latin1");
}

/** A pickle of protocol 2 whose program is `body`, without PROTO and STOP. */
export function program(body: string): Uint8Array {
  return new Uint8Array(Buffer.from(`\x80\x02${body}.`, "latin1"));
}

/** The pickle of a dictionary of tensors. */
export function pickle(tensors: Readonly<Record<string, PickledTensor>>): Uint8Array {
  const items = Object.entries(tensors).map(([name, tensor]) => op.text(name) + rebuild(tensor));
  return program(`}(${items.join("")}u`);
}

const STORAGES = { F32: "Float", BF16: "BFloat16", F16: "Half" } as const;

interface FileTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: ArrayBufferView;
}

/** A file of torch.save with these tensors. */
export function torchFile(tensors: Iterable<readonly [string, FileTensor]>): Uint8Array {
  const described: Record<string, PickledTensor> = {};
  const storages: Record<string, Uint8Array> = {};
  for (const [name, { dtype, shape, data }] of tensors) {
    const key = String(Object.keys(storages).length);
    const sizes = [...shape, 1].map((_, axis) => shape.slice(axis).reduce((a, b) => a * b, 1));
    const [size, ...strides] = sizes as [number, ...number[]];
    const storage = STORAGES[dtype as keyof typeof STORAGES];
    described[name] = { dtype: storage, key, size, shape, strides };
    storages[key] = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
  return torchArchive(pickle(described), storages);
}

function rebuild({ dtype, key, size, offset = 0, shape, strides }: PickledTensor): string {
  const storage = op.tuple(
    op.text("storage"),
    op.global("torch", `${dtype}Storage`),
    op.text(key),
    op.text("cpu"),
    op.int(size),
  );
  const args = op.tuple(
    `${storage}Q`,
    op.int(offset),
    op.tuple(...shape.map(op.int)),
    op.tuple(...strides.map(op.int)),
    "\x89",
    `${op.global("collections", "OrderedDict")})R`,
  );
  return `${op.global("torch._utils", "_rebuild_tensor_v2")}${args}R`;
}

export interface ZipOptions {
  /** Whether sizes and offsets stand in fields of zip64. */
  readonly zip64?: boolean;
  /** Compression that the directory claims. */
  readonly method?: number;
}

/** An archive with a pickle and its storages. */
export function torchArchive(
  data: Uint8Array,
  storages: Readonly<Record<string, Uint8Array>> = {},
  options: ZipOptions & { readonly byteorder?: string } = {},
): Uint8Array {
  const entries: Record<string, Uint8Array> = { "archive/data.pkl": data };
  if (options.byteorder !== undefined) {
    entries["archive/byteorder"] = Buffer.from(options.byteorder);
  }
  for (const [key, bytes] of Object.entries(storages)) entries[`archive/data/${key}`] = bytes;
  return storedZip(entries, options);
}

/** A zip archive of these entries as they are. */
export function storedZip(
  entries: Readonly<Record<string, Uint8Array>>,
  { zip64 = false, method = 0 }: ZipOptions = {},
): Uint8Array {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [name, bytes] of Object.entries(entries)) {
    const nameBytes = Buffer.from(name);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(nameBytes.length, 26);
    local.writeUInt16LE(5, 28);
    const padding = Buffer.alloc(5);
    directory.push(directoryEntry(nameBytes, bytes.length, at, method, zip64));
    parts.push(local, nameBytes, padding, Buffer.from(bytes));
    at += 30 + nameBytes.length + 5 + bytes.length;
  }
  const size = directory.reduce((sum, { length }) => sum + length, 0);
  return Buffer.concat([...parts, ...directory, endRecords(directory.length, size, at, zip64)]);
}

function directoryEntry(name: Buffer, size: number, at: number, method: number, zip64: boolean) {
  const entry = Buffer.alloc(46);
  entry.writeUInt32LE(0x02014b50, 0);
  entry.writeUInt16LE(method, 10);
  const extra = zip64 ? Buffer.alloc(4 + 3 + 4 + 24) : Buffer.alloc(0);
  entry.writeUInt32LE(zip64 ? 0xffffffff : size, 20);
  entry.writeUInt32LE(zip64 ? 0xffffffff : size, 24);
  entry.writeUInt32LE(zip64 ? 0xffffffff : at, 42);
  entry.writeUInt16LE(name.length, 28);
  entry.writeUInt16LE(extra.length, 30);
  if (zip64) {
    // Another extra field comes first.
    extra.writeUInt16LE(0x7777, 0);
    extra.writeUInt16LE(3, 2);
    extra.writeUInt16LE(1, 7);
    extra.writeUInt16LE(24, 9);
    [size, size, at].forEach((value, i) => extra.writeBigUInt64LE(BigInt(value), 11 + 8 * i));
  }
  return Buffer.concat([entry, name, extra]);
}

function endRecords(count: number, size: number, at: number, zip64: boolean): Buffer {
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(zip64 ? 0xffff : count, 10);
  end.writeUInt32LE(zip64 ? 0xffffffff : size, 12);
  end.writeUInt32LE(zip64 ? 0xffffffff : at, 16);
  if (!zip64) return end;
  const record = Buffer.alloc(56);
  record.writeUInt32LE(0x06064b50, 0);
  [count, size, at].forEach((value, i) => record.writeBigUInt64LE(BigInt(value), 32 + 8 * i));
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(at + size), 8);
  return Buffer.concat([record, locator, end]);
}
