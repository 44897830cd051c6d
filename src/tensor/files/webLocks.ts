// Locks that a page or worker holds as long as it lives: when it is closed, killed or crashes, the browser gives them back.

/** @returns gives the lock back, and resolves when others can have it; null when somebody else has it */
export function tryLock(name: string): Promise<(() => Promise<void>) | null> {
  return new Promise((resolve, reject) => {
    const request = navigator.locks.request(name, { ifAvailable: true }, (lock) => {
      if (lock === null) return resolve(null);
      return new Promise<void>((release) => {
        resolve(async () => {
          release();
          await request;
        });
      });
    });
    request.catch(reject);
  });
}

/** Waits for the lock, and holds it while `work` goes on. */
export async function withLock<T>(name: string, work: () => Promise<T>): Promise<T> {
  return (await navigator.locks.request(name, work)) as T;
}
