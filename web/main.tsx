// The page: draws the views and opens the worker.

import { render } from "preact";
import "./style/page.css";
import { start } from "./state/start.ts";
import { App } from "./views/app.tsx";

render(<App />, document.getElementById("page")!);
void start();
