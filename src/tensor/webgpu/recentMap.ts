// A cache with room for a stated number of values. When it is full, a new one takes the place of the one used longest ago, so
// that memory stays as it is from then on, whatever lengths come.

interface Entry<K, V> {
  readonly key: K;
  value: V;
  /** Neighbours by the time of their last use. */
  newer: Entry<K, V> | null;
  older: Entry<K, V> | null;
}

export class RecentMap<K, V> {
  readonly #most: number;
  readonly #entries = new Map<K, Entry<K, V>>();
  #newest: Entry<K, V> | null = null;
  #oldest: Entry<K, V> | null = null;

  /** @param most values to hold, 1 or more */
  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: K): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry !== this.#newest) {
      this.#unlink(entry);
      this.#link(entry);
    }
    return entry.value;
  }

  set(key: K, value: V): void {
    const known = this.#entries.get(key);
    if (known !== undefined) {
      known.value = value;
      this.get(key);
      return;
    }
    if (this.#entries.size >= this.#most) {
      const oldest = this.#oldest!;
      this.#unlink(oldest);
      this.#entries.delete(oldest.key);
    }
    const entry: Entry<K, V> = { key, value, newer: null, older: null };
    this.#link(entry);
    this.#entries.set(key, entry);
  }

  deleteWhere(isUnwanted: (value: V) => boolean): void {
    for (const entry of this.#entries.values()) {
      if (!isUnwanted(entry.value)) continue;
      this.#unlink(entry);
      this.#entries.delete(entry.key);
    }
  }

  clear(): void {
    this.#entries.clear();
    this.#newest = null;
    this.#oldest = null;
  }

  /** Makes an entry that has no neighbours the newest. */
  #link(entry: Entry<K, V>): void {
    entry.older = this.#newest;
    if (this.#newest) this.#newest.newer = entry;
    else this.#oldest = entry;
    this.#newest = entry;
  }

  #unlink(entry: Entry<K, V>): void {
    if (entry.newer) entry.newer.older = entry.older;
    else this.#newest = entry.older;
    if (entry.older) entry.older.newer = entry.newer;
    else this.#oldest = entry.newer;
    entry.newer = null;
    entry.older = null;
  }
}
