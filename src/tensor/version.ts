/** Of this package, as package.json has it (test/meta/version.test.ts): pages have no file to read it from. */
export const VERSION = "0.1.0";
