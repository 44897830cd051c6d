// csv-parse over Node's streams.

export { CsvError, parse } from "csv-parse";
