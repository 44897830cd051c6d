// Errors of a page's file system with the codes that Node gives, so that the same code tells them apart.

/** By the DOMException's name. */
const CODES: Readonly<Record<string, string>> = {
  NotFoundError: "ENOENT",
  TypeMismatchError: "ENOTDIR",
  NoModificationAllowedError: "EBUSY",
  InvalidModificationError: "ENOTEMPTY",
  QuotaExceededError: "ENOSPC",
  SecurityError: "EACCES",
  NotAllowedError: "EACCES",
  NotReadableError: "EIO",
  InvalidStateError: "EIO",
};

export class FileError extends Error {
  override readonly name = "FileError";
  readonly code: string;
  readonly path: string;
  /** Says that it comes from a file system. */
  readonly syscall = "opfs";

  constructor(code: string, path: string, options?: ErrorOptions) {
    super(`${code}: ${path}`, options);
    this.code = code;
    this.path = path;
  }
}

/** Rejects with a FileError where the browser rejects with a DOMException. */
export async function coded<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = CODES[(error as Partial<DOMException>).name ?? ""];
    throw code === undefined ? error : new FileError(code, path, { cause: error });
  }
}

export function isNamed(error: unknown, name: string): boolean {
  return (error as Partial<DOMException> | null)?.name === name;
}
