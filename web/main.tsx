// The page: draws the views and opens the worker.

import { render } from "preact";
import "./style/page.css";
import { start } from "./state/start.ts";
import { App } from "./views/app.tsx";

render(<App />, document.getElementById("page")!);
// A file that misses its place would take the page away.
for (const type of ["dragover", "drop"]) addEventListener(type, (event) => event.preventDefault());
void start();
