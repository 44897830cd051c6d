// What a caller can say about the Hub.

/** Bytes of the files that are being fetched; those that the cache holds already are not counted. */
export interface DownloadProgress {
  /** Name in the repository of the file that moves. */
  readonly file: string;
  readonly loaded: number;
  readonly total: number;
}

/** How files are fetched from the Hugging Face Hub and kept; defaults are those of Python's huggingface_hub. */
export interface HubOptions {
  /** Branch, tag or commit hash; default "main". */
  readonly revision?: string | undefined;
  /** Address of the Hub; default HF_ENDPOINT, then https://huggingface.co. */
  readonly endpoint?: string | undefined;
  /**
   * Folder of the cache; default HF_HUB_CACHE, then HF_HOME/hub, then ~/.cache/huggingface/hub. In pages a folder of their
   * private file system, default /.cache/huggingface/hub.
   */
  readonly cacheDir?: string | undefined;
  /** Access token; default HF_TOKEN, then the file HF_TOKEN_PATH or HF_HOME/token; in pages none. false sends none. */
  readonly token?: string | false | undefined;
  /** Takes what the cache has and asks nobody; default whether HF_HUB_OFFLINE is set. */
  readonly localFilesOnly?: boolean | undefined;
  /** Called while bytes arrive, and once more when all have. */
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Ends a download; what has arrived is kept and continued by the next one. */
  readonly signal?: AbortSignal | undefined;
}
