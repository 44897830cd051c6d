// ONNX models of a few nodes, written as protobuf by hand: enough for onnxruntime, and no package of its own.
// Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto

type Field = readonly [number: number, value: number | string | Uint8Array];

export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly output: string;
  /** Integers and texts. */
  readonly attributes?: Readonly<Record<string, number | string>>;
}

const FLOAT = 1;
const INT_ATTRIBUTE = 2;
const STRING_ATTRIBUTE = 3;
const OPSET = 17;
const IR_VERSION = 8;

/** A model from f32 inputs of the given shapes to one f32 output. */
export function onnxModel(
  nodes: readonly OnnxNode[],
  inputs: Readonly<Record<string, readonly number[]>>,
  output: readonly [name: string, shape: readonly number[]],
): Uint8Array {
  const graph = message([
    ...nodes.map((node): Field => [1, nodeMessage(node)]),
    [2, "bench"],
    ...Object.entries(inputs).map(([name, shape]): Field => [11, valueInfo(name, shape)]),
    [12, valueInfo(...output)],
  ]);
  return message([
    [1, IR_VERSION],
    [7, graph],
    [8, message([[2, OPSET]])],
  ]);
}

function nodeMessage({ op, inputs, output, attributes = {} }: OnnxNode): Uint8Array {
  const pairs = Object.entries(attributes).map(([name, value]) =>
    typeof value === "number"
      ? message([
          [1, name],
          [3, value],
          [20, INT_ATTRIBUTE],
        ])
      : message([
          [1, name],
          [4, value],
          [20, STRING_ATTRIBUTE],
        ]),
  );
  return message([
    ...inputs.map((name): Field => [1, name]),
    [2, output],
    [4, op],
    ...pairs.map((pair): Field => [5, pair]),
  ]);
}

function valueInfo(name: string, shape: readonly number[]): Uint8Array {
  const dims = message(shape.map((dim): Field => [1, message([[1, dim]])]));
  const type = message([
    [
      1,
      message([
        [1, FLOAT],
        [2, dims],
      ]),
    ],
  ]);
  return message([
    [1, name],
    [2, type],
  ]);
}

function message(fields: readonly Field[]): Uint8Array {
  const bytes: number[] = [];
  for (const [number, value] of fields) {
    if (typeof value === "number") {
      bytes.push(...varint(number << 3), ...varint(value));
      continue;
    }
    const content = typeof value === "string" ? new TextEncoder().encode(value) : value;
    bytes.push(...varint((number << 3) | 2), ...varint(content.length), ...content);
  }
  return Uint8Array.from(bytes);
}

/** Base 128, least first; negative numbers as 64 bits. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [...bytes, Number(rest)];
}
