// One thread of the measurement of the processor's peak: all of them run at the same time.

import { MODULES, SUMS } from "virtual:peak-loops";

const ROUNDS = 20_000;
const SECONDS = 0.25;
const LANES = 4;

type Loop = (rounds: number) => number;

async function load(): Promise<Readonly<Record<string, Loop>>> {
  // Browsers without relaxed SIMD compile the other one.
  const bytes = [MODULES.relaxed, MODULES.simd].map((text) =>
    Uint8Array.from(atob(text), (character) => character.charCodeAt(0)),
  );
  const module = bytes.find((each) => WebAssembly.validate(each));
  if (module === undefined) throw new Error("This browser has no SIMD in WebAssembly.");
  const { instance } = await WebAssembly.instantiate(module);
  return instance.exports as unknown as Readonly<Record<string, Loop>>;
}

/** Floating-point operations a second of the fastest run. */
function rate(loop: Loop, count: number): number {
  const end = performance.now() + (1000 * SECONDS) / SUMS.length;
  let fastest = Infinity;
  for (let begun = performance.now(); begun < end; begun = performance.now()) {
    loop(ROUNDS);
    fastest = Math.min(fastest, performance.now() - begun);
  }
  return (2 * LANES * count * ROUNDS) / (fastest / 1000);
}

addEventListener("message", () => {
  void load().then((loops) => {
    postMessage(Math.max(...SUMS.map((count) => rate(loops[`multiplyAdd${count}`]!, count))));
  });
});
