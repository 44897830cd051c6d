import { expect, it } from "vitest";
import { addInPlace } from "../../../src/kernels/pointwise/accumulate.ts";
import { empty, Tensor, tensor } from "../../../src/tensor/tensor.ts";
import { gpu } from "../../support/gpu.ts";

it("adds in place", async () => {
  const x = tensor([1, 2, 3, 4, 5], [5], { device: gpu });
  const y = tensor([10, 20, 30, 40, 50], [5], { device: gpu });
  addInPlace(y, x);
  expect(await y.data()).toEqual(Float32Array.of(11, 22, 33, 44, 55));
  addInPlace(y, y);
  expect(await y.data()).toEqual(Float32Array.of(22, 44, 66, 88, 110));
});

it("works on parts of a storage, also when one is read and another written", async () => {
  const whole = tensor(
    Float32Array.from({ length: 128 }, (_, i) => i),
    [128],
    { device: gpu },
  );
  const [first, second] = [0, 256].map(
    (offset) => new Tensor(whole.storage.slice(offset, 256), [64], "f32", gpu),
  );
  addInPlace(first!, second!);
  const sums = await whole.data();
  expect(sums.slice(0, 3)).toEqual(Float32Array.of(64, 66, 68));
  expect(sums.slice(64, 67)).toEqual(Float32Array.of(64, 65, 66));
  gpu.write(second!.storage, "f32", new Float32Array(64).fill(7));
  expect(await second!.data()).toEqual(new Float32Array(64).fill(7));
  gpu.fillZero(second!.storage);
  expect((await whole.data()).slice(62, 66)).toEqual(Float32Array.of(188, 190, 0, 0));
});

it("takes elements from shared memory, and an odd number of 16-bit ones", async () => {
  const x = empty(gpu, [3], "f32");
  gpu.write(x.storage, "f32", new Float32Array(new SharedArrayBuffer(12)).fill(4));
  expect(await x.data()).toEqual(Float32Array.of(4, 4, 4));
  const half = tensor([1, -2, 0.5], [3], { device: gpu, dtype: "f16" });
  expect(await half.data()).toEqual(Float32Array.of(1, -2, 0.5));
  expect(await gpu.readStored(half.storage, "f16", 3)).toEqual(
    Uint16Array.of(0x3c00, 0xc000, 0x3800),
  );
});
