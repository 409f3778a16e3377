/** Sends without waiting for answers, within bounds of count and bytes, and remembers the first refusal. */
export class InFlight {
  readonly #countMax: number;
  readonly #bytesMax: number;
  readonly #pending = new Set<Promise<void>>();
  #bytes = 0;
  #sent = 0;
  #failure: { readonly number: number; readonly error: unknown } | undefined;

  constructor(bounds: { readonly countMax: number; readonly bytesMax: number }) {
    this.#countMax = bounds.countMax;
    this.#bytesMax = bounds.bytesMax;
  }

  /** Waits for room, then sends. @returns false where an earlier one was refused, and nothing was sent */
  async send(bytes: number, call: () => Promise<void>): Promise<boolean> {
    while (this.#failure === undefined && this.#pending.size > 0 && this.#isFull(bytes))
      await Promise.race(this.#pending);
    if (this.#failure !== undefined) return false;
    const number = this.#sent++;
    this.#bytes += bytes;
    const pending = call()
      .catch((error: unknown) => {
        // Those behind a refused one are refused for its sake: the reason is the first one's.
        if (this.#failure === undefined || number < this.#failure.number)
          this.#failure = { number, error };
      })
      .finally(() => {
        this.#bytes -= bytes;
        this.#pending.delete(pending);
      });
    this.#pending.add(pending);
    return true;
  }

  /** Resolves when every answer is there. @throws the first refusal in order of sending */
  async settle(): Promise<void> {
    await Promise.all(this.#pending);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #isFull(bytes: number): boolean {
    return this.#pending.size >= this.#countMax || this.#bytes + bytes > this.#bytesMax;
  }
}
