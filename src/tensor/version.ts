/** Of this package, as its package.json says (test/meta/package.test.ts holds them together). */
export const VERSION = "0.1.0";
