// Weights that come from memory.

/** Columns whose weights are fetched before any of them is used. */
// @ts-ignore: decorator
@inline
export const FETCHED: usize = 16;

/**
 * Brings bytes into the core's cache: a load of each line, so many at a time that the wait for memory is shared. Between the
 * loads of the sums there is so much arithmetic that the processor sees only the next line or two coming.
 * @param used address of a number in scratch, of which the loads make a part of a condition, so that they are not left out
 */
// @ts-ignore: decorator
@inline
export function fetch(from: usize, bytes: usize, used: usize): void {
  const stop = from + bytes;
  let seen = load<i32>(stop - 4);
  for (let at = from; at < stop; at += 64) seen |= load<i32>(at);
  // A number in scratch is never that one in bits.
  if (seen == load<i32>(used) && seen == 0x7fabcdef) store<i32>(used, 0);
}
