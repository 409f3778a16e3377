/** Those who wait for more at the end of a partition. */
export class EndWaiters {
  readonly #wakes = new Set<() => void>();

  /** Something was appended, or the log closes. */
  wakeAll(): void {
    const wakes = [...this.#wakes];
    this.#wakes.clear();
    for (const wake of wakes) wake();
  }

  /** Resolves at the next {@link wakeAll} or when the signal aborts. */
  wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#wakes.delete(wake);
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      if (signal?.aborted) return resolve();
      signal?.addEventListener('abort', wake, { once: true });
      this.#wakes.add(wake);
    });
  }
}
