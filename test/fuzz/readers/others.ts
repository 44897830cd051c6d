// State files of checkpoints, the token cache, and answers of a Hub.

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { basename } from "node:path";
import timers from "node:timers/promises";
import { preprocess } from "../../../src/data/preprocess.ts";
import { preprocessCached } from "../../../src/data/tokenCache.ts";
import { downloadSnapshot } from "../../../src/hub/snapshot.ts";
import { readStateFiles } from "../../../src/train/checkpoint/stateFiles.ts";
import { wordLengths } from "../../support/wordLengths.ts";
import { Violation, type FuzzedReader } from "../harness.ts";
import { damaged, damagedBytes, damagedInPlace, type Draw } from "../mutate.ts";

const STATE: Readonly<Record<string, object>> = {
  "trainer_state.json": {
    ...{ best_metric: 0.5, best_global_step: 2, best_model_checkpoint: null, epoch: 0.5 },
    ...{ eval_steps: 1, global_step: 2, is_hyper_param_search: false, is_local_process_zero: true },
    ...{ is_world_process_zero: true, log_history: [{ epoch: 0.25, loss: 1.5, step: 1 }] },
    ...{ logging_steps: 1, max_steps: 4, num_input_tokens_seen: 0, num_train_epochs: 1 },
    ...{ save_steps: 2, stateful_callbacks: {}, total_flos: 100, train_batch_size: 2 },
    ...{ trial_name: null, trial_params: null },
  },
  "scheduler.json": { last_epoch: 2 },
  "rng_state.json": { dropout: { seed: 42, offset: 7 } },
  "running_loss.json": { sum: 3, logged: 1.5, logged_step: 1 },
  "scaler.json": { scale: 65536, _growth_tracker: 2, skipped_steps: 0 },
};

const state: FuzzedReader = {
  name: "state files of a checkpoint",
  errors: ["CheckpointError"],
  setUp(folder) {
    mkdirSync(folder, { recursive: true });
    const whole = Object.entries(STATE).map(
      ([name, value]) => [name, Buffer.from(JSON.stringify(value))] as const,
    );
    return Promise.resolve({
      async run(draw) {
        const chosen = draw.chance(0.5) ? whole[0]![0] : draw.pick(whole)[0];
        for (const [name, bytes] of whole) {
          writeFileSync(`${folder}/${name}`, name === chosen ? damaged(bytes, draw, 0.8) : bytes);
        }
        const read = await readStateFiles(folder, {
          ...{ withLossScale: true, withMetricSchedule: false },
        });
        const numbers = [read.optimizerSteps, read.dropout.seed, read.dropout.offset];
        if (!numbers.every((value) => Number.isInteger(value) && value >= 0))
          throw new Violation(`accepted ${JSON.stringify(numbers)}`);
        if (!(read.lossScale!.scale > 0)) throw new Violation(`scale ${read.lossScale!.scale}`);
      },
    });
  },
};

const ROWS = Array.from({ length: 8 }, (_, i) => ({
  dialogue: "ab ".repeat(1 + (i % 5)),
  summary: `x${i}`,
}));
const TOKENIZER = { encode: wordLengths.encode.bind(wordLengths), fingerprint: async () => "one" };

/** Whatever is done to an entry, its ids are those of the tokenizer. */
const tokenCache: FuzzedReader = {
  name: "token cache",
  errors: [],
  async setUp(folder) {
    const options = { cacheDir: folder };
    const expected = JSON.stringify(await preprocess({ rows: ROWS }, wordLengths));
    await preprocessCached({ rows: ROWS }, TOKENIZER, options);
    const path = `${folder}/${readdirSync(folder)[0]!}`;
    const whole = readFileSync(path);
    return {
      async run(draw) {
        const damage = draw.chance(0.6) ? damagedInPlace : damagedBytes;
        writeFileSync(path, damage(whole, draw));
        const examples = await preprocessCached({ rows: ROWS }, TOKENIZER, options);
        if (JSON.stringify(examples) !== expected) throw new Violation("other ids");
      },
    };
  },
};

const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const FILES: Readonly<Record<string, string>> = { "config.json": '{"a": 1}', "sub/x.json": "{}" };
const INFO = {
  ...{ _id: "1", id: "org/model", sha: COMMIT, private: false, downloads: 0, likes: 0 },
  ...{ lastModified: "2024-01-01T00:00:00.000Z", siblings: [{ rfilename: "config.json" }] },
};
const TREE = Object.entries(FILES).map(([path, text]) => ({
  ...{ type: "file", path, size: text.length },
  oid: createHash("sha1").update(`blob ${text.length}\0${text}`).digest("hex"),
}));

/** The server is `fetch` itself, so that a case takes no connection. */
const hub: FuzzedReader = {
  name: "answers of a Hub",
  errors: ["HubError"],
  setUp(folder) {
    const original = globalThis.fetch;
    const pause = timers.setTimeout;
    // Pauses between attempts add up to seconds.
    const setPause = (value: typeof pause) => {
      timers.setTimeout = value;
      syncBuiltinESMExports();
    };
    setPause(((milliseconds, ...rest) =>
      pause(Math.min(1, milliseconds ?? 0), ...rest)) as typeof pause);
    const variables = { HF_ENDPOINT: "http://hub.invalid", HF_TOKEN: "", HF_HUB_OFFLINE: "" };
    const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
    Object.assign(process.env, variables);
    const answer = (url: URL, draw: Draw, isDamaged: (kind: string) => boolean): Response => {
      const kind = /\/(revision|tree|resolve)\//.exec(url.pathname)?.[1] ?? "";
      const headers: Record<string, string> = { "content-type": "application/json" };
      const file = FILES[decodeURIComponent(url.pathname.split(`/${COMMIT}/`)[1] ?? "")] ?? "";
      const whole = { revision: JSON.stringify(INFO), tree: JSON.stringify(TREE) }[kind] ?? file;
      if (!isDamaged(kind)) return new Response(whole, { headers });
      if (draw.chance(0.1)) headers["link"] = `<${url.href}>; rel="next"`;
      const body = damaged(Buffer.from(whole), draw, 0.7);
      const status = draw.chance(0.9) ? 200 : draw.pick([204, 206, 404, 416, 429, 500]);
      return new Response(status === 204 ? null : new Uint8Array(body), { status, headers });
    };
    return Promise.resolve({
      async run(draw) {
        const target = draw.pick(["revision", "tree", "tree", "resolve"]);
        const isDamaged = (kind: string) => kind === target;
        globalThis.fetch = (url) =>
          Promise.resolve(answer(new URL(url as string | URL), draw, isDamaged));
        rmSync(folder, { recursive: true, force: true });
        const signal = AbortSignal.timeout(20_000);
        const { folder: place, commit } = await downloadSnapshot(
          { type: "model", name: "org/model" },
          () => ({ required: ["config.json"], optional: ["sub/x.json"] }),
          { cacheDir: folder, signal },
        );
        if (basename(place) !== commit || !/^[0-9a-f]{40}$/.test(commit))
          throw new Violation(`a folder ${place}`);
      },
      tearDown() {
        globalThis.fetch = original;
        setPause(pause);
        for (const [name, value] of before) {
          if (value === undefined) Reflect.deleteProperty(process.env, name);
          else process.env[name] = value;
        }
        return Promise.resolve();
      },
    });
  },
};

export const others: readonly FuzzedReader[] = [state, tokenCache, hub];
