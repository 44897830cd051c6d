// What @huggingface/hub's modelInfo, datasetInfo, listFiles and downloadFile give, for pages: the same requests (its
// lib/model-info.ts, dataset-info.ts, list-files.ts, download-file.ts), on fetch. `fetch` refuses every bad status.

interface Ask {
  readonly hubUrl: string;
  readonly fetch: typeof fetch;
}

interface Question extends Ask {
  readonly name: string;
  readonly revision: string;
}

export const modelInfo = (question: Question): Promise<unknown> => info("models", question);
export const datasetInfo = (question: Question): Promise<unknown> => info("datasets", question);

async function info(kind: string, { hubUrl, name, revision, fetch }: Question): Promise<unknown> {
  const place = encodeURIComponent(revision);
  const answer = await fetch(`${hubUrl}/api/${kind}/${name}/revision/${place}?expand=sha`);
  return answer.json();
}

/** Page after page: the header `link` names the next one. */
export async function* listFiles({
  hubUrl,
  repo,
  revision,
  fetch,
}: Ask & {
  readonly repo: { readonly type: string; readonly name: string };
  readonly revision: string;
}): AsyncGenerator<unknown, void, undefined> {
  let url: string | undefined =
    `${hubUrl}/api/${repo.type}s/${repo.name}/tree/${revision}?recursive=true&expand=false`;
  while (url !== undefined) {
    const answer: Response = await fetch(url, { headers: { accept: "application/json" } });
    yield* (await answer.json()) as unknown[];
    url = /<([^>]*)>\s*;\s*rel="next"/.exec(answer.headers.get("link") ?? "")?.[1];
  }
}

/** A file whose bytes are asked for when its stream is read. */
export function downloadFile({
  downloadInfo,
  fetch,
}: {
  readonly downloadInfo: { readonly url: string };
  readonly fetch: typeof globalThis.fetch;
}): Promise<{ slice(begin: number): { stream(): ReadableStream<Uint8Array> } }> {
  const open = async (begin: number): Promise<ReadableStreamDefaultReader<Uint8Array>> => {
    const headers = begin > 0 ? { range: `bytes=${begin}-` } : {};
    const { body } = await fetch(downloadInfo.url, { headers });
    return body!.getReader();
  };
  return Promise.resolve({
    slice: (begin) => ({ stream: () => lazyStream(() => open(begin)) }),
  });
}

function lazyStream(
  open: () => Promise<ReadableStreamDefaultReader<Uint8Array>>,
): ReadableStream<Uint8Array> {
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  return new ReadableStream({
    async pull(controller) {
      reader ??= await open();
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader?.cancel(reason),
  });
}
