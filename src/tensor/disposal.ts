// `using x = ...` and `await using device = ...` call the methods of these names (TypeScript 5.2, ECMAScript 2026).

/// <reference lib="esnext.disposable" preserve="true" />

/** Symbol.dispose; a symbol that nobody calls where the host has none yet. */
export const disposeSymbol: typeof Symbol.dispose =
  (Symbol as Partial<typeof Symbol>).dispose ?? (Symbol("dispose") as typeof Symbol.dispose);

/** Symbol.asyncDispose, likewise. */
export const asyncDisposeSymbol: typeof Symbol.asyncDispose =
  (Symbol as Partial<typeof Symbol>).asyncDispose ??
  (Symbol("asyncDispose") as typeof Symbol.asyncDispose);
