// Files that are most often taken for weights.

/** What a file is that begins with `start`, with the cure; null for none of those. */
export function mistakenFor(start: ArrayBuffer): string | null {
  const text = new TextDecoder().decode(start);
  if (text.startsWith("version https://git-lfs")) {
    return "The file is a Git LFS pointer: run git lfs pull in its folder.";
  }
  if (/^\s*</.test(text)) return "The file is a web page: download it again.";
  if (text.startsWith("PK")) {
    return "The file is a PyTorch or zip archive: name it pytorch_model.bin, or save it as safetensors.";
  }
  return null;
}
