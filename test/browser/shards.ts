// A checkpoint in several files, as transformers writes large ones.

interface Header {
  readonly [name: string]: { readonly data_offsets?: readonly [number, number] };
}

/** The files of a model folder, model.safetensors cut into `count` shards with their index. */
export function inShards(
  { "model.safetensors": whole, ...others }: Readonly<Record<string, Buffer>>,
  count: number,
): Record<string, Buffer> {
  const length = Number(whole!.readBigUInt64LE());
  const header = JSON.parse(whole!.toString("utf8", 8, 8 + length)) as Header;
  const names = Object.keys(header).filter((name) => name !== "__metadata__");
  const shards: Record<string, Buffer> = {};
  const weightMap: Record<string, string> = {};
  for (let i = 0; i < count; i++) {
    const file = `model-${number(i + 1)}-of-${number(count)}.safetensors`;
    const own = names.filter((_, at) => at % count === i);
    for (const name of own) weightMap[name] = file;
    shards[file] = shardOf(header, own, whole!.subarray(8 + length));
  }
  const index = { metadata: { total_size: whole!.length - 8 - length }, weight_map: weightMap };
  return {
    ...others,
    ...shards,
    "model.safetensors.index.json": Buffer.from(JSON.stringify(index)),
  };
}

const number = (i: number): string => String(i).padStart(5, "0");

function shardOf(header: Header, names: readonly string[], data: Buffer): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  const entries = names.map((name) => {
    const part = data.subarray(...header[name]!.data_offsets!);
    parts.push(part);
    at += part.length;
    return [name, { ...header[name], data_offsets: [at - part.length, at] }] as const;
  });
  const text = JSON.stringify({ __metadata__: { format: "pt" }, ...Object.fromEntries(entries) });
  const padded = Buffer.from(text.padEnd(8 * Math.ceil(text.length / 8)));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([size, padded, ...parts]);
}
