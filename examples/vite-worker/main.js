// The page: sends dialogues to the worker and shows what it writes, word by word. The page answers meanwhile.

const [dialogue, button, summary] = ["dialogue", "summarize", "summary"].map((id) =>
  document.getElementById(id),
);
const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });

worker.addEventListener("message", ({ data }) => {
  if (data.type === "text") summary.textContent += data.text;
  else if (data.type === "error") summary.textContent = data.message;
  else button.disabled = false; // ready, or done
});

button.addEventListener("click", () => {
  button.disabled = true;
  summary.textContent = "";
  worker.postMessage(dialogue.value);
});
