// The messages of TensorBoard's event.proto, summary.proto and tensor.proto that a training log needs, and the TFRecord
// around each (github.com/tensorflow/tensorboard, tensorboard/compat/proto). Field numbers are those files'; what stands in
// a message is what torch.utils.tensorboard writes, which is what transformers writes with.

import type { BinaryWriter } from "@bufbuild/protobuf/wire";
import { maskedCrc32c } from "./crc32c.ts";

const WIRE = { varint: 0, double: 1, bytes: 2, float: 5 } as const;
/** `DataType.DT_STRING`. */
const STRING_TYPE = 7;

export type Writer = new () => BinaryWriter;

/** A figure or a text under a tag, at an update of the run. */
export interface Summary {
  readonly tag: string;
  readonly value: number | string;
}

/** The record that every event file begins with. */
export function versionRecord(Writer: Writer, seconds: number): Uint8Array {
  const event = new Writer().tag(1, WIRE.double).double(seconds);
  event.tag(3, WIRE.bytes).string("brain.Event:2");
  const source = new Writer().tag(1, WIRE.bytes).string("gradloom");
  return record(event.tag(10, WIRE.bytes).bytes(source.finish()).finish());
}

/** One event with one summary. @param seconds since 1970 */
export function summaryRecord(
  Writer: Writer,
  seconds: number,
  step: number,
  summary: Summary,
): Uint8Array {
  const { value } = summary;
  const message = typeof value === "number" ? scalar(Writer, summary) : text(Writer, summary);
  const event = new Writer().tag(1, WIRE.double).double(seconds).tag(2, WIRE.varint).int64(step);
  const values = new Writer().tag(1, WIRE.bytes).bytes(message);
  return record(event.tag(5, WIRE.bytes).bytes(values.finish()).finish());
}

/** `Summary.Value` with `simple_value`, a 32-bit float. */
function scalar(Writer: Writer, { tag, value }: Summary): Uint8Array {
  const message = new Writer().tag(1, WIRE.bytes).string(tag);
  return message
    .tag(2, WIRE.float)
    .float(Math.fround(value as number))
    .finish();
}

/** `Summary.Value` with a tensor of one string, for the plugin "text". */
function text(Writer: Writer, { tag, value }: Summary): Uint8Array {
  const plugin = new Writer().tag(1, WIRE.bytes).string("text").finish();
  const metadata = new Writer().tag(1, WIRE.bytes).bytes(plugin).finish();
  const size = new Writer().tag(1, WIRE.varint).int64(1).finish();
  const shape = new Writer().tag(2, WIRE.bytes).bytes(size).finish();
  const tensor = new Writer().tag(1, WIRE.varint).int32(STRING_TYPE);
  tensor.tag(2, WIRE.bytes).bytes(shape);
  tensor.tag(8, WIRE.bytes).bytes(new TextEncoder().encode(value as string));
  const message = new Writer().tag(1, WIRE.bytes).string(`${tag}/text_summary`);
  message.tag(8, WIRE.bytes).bytes(tensor.finish());
  return message.tag(9, WIRE.bytes).bytes(metadata).finish();
}

/** TFRecord: length, its checksum, the bytes, their checksum; all little-endian. */
function record(bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(bytes.length + 16);
  const view = new DataView(whole.buffer);
  view.setBigUint64(0, BigInt(bytes.length), true);
  view.setUint32(8, maskedCrc32c(whole.subarray(0, 8)), true);
  whole.set(bytes, 12);
  view.setUint32(12 + bytes.length, maskedCrc32c(bytes), true);
  return whole;
}
