/** Wakes those who wait for something to have happened. */
export class Bell {
  readonly #wakes = new Set<() => void>();

  /** It has happened: wakes all who wait now. */
  ring(): void {
    const wakes = [...this.#wakes];
    this.#wakes.clear();
    for (const wake of wakes) wake();
  }

  /** Resolves at the next {@link ring} or when the signal aborts; look then at what was waited for. */
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
