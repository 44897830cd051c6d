// csv-parse for pages: it brings along the streams that they have not.

export { CsvError, parse } from "csv-parse/browser/esm";
