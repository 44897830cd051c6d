// A worker's side of the browser's bench: it loads a model once, and then writes when it is asked.

/** @param load options => (ids, count of tokens, called for each token) => the new tokens */
export function answer(load) {
  let write;
  onmessage = async ({ data: { options, ids, tokens } }) => {
    try {
      if (options) {
        write = await load(options);
        return postMessage({ isReady: true });
      }
      const begun = performance.now();
      let first = 0;
      const onToken = () => (first ||= performance.now() - begun);
      const written = await write(ids, tokens, onToken);
      postMessage({ written, first, milliseconds: performance.now() - begun });
    } catch (error) {
      postMessage({ error: String(error?.stack ?? error) });
    }
  };
}

export async function fetchFiles(address, names) {
  const files = new Map();
  for (const name of names) files.set(name, await (await fetch(address + name)).blob());
  return files;
}
