/** A bounded queue between one producer and one consumer: `push` waits for room, `shift` for an item. */
export class HandOver<T> {
  readonly #items: T[] = [];
  readonly #room: number;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void)[] = [];

  constructor(room: number) {
    this.#room = room;
  }

  /** @returns false where nobody takes items any more */
  async push(item: T): Promise<boolean> {
    while (this.#items.length >= this.#room && !this.#ended) await this.#change();
    if (this.#ended) return false;
    this.#items.push(item);
    this.#changed();
    return true;
  }

  /** @returns undefined after the last item; rejects with the producer's failure */
  async shift(): Promise<T | undefined> {
    while (this.#items.length === 0 && !this.#ended) await this.#change();
    const item = this.#items.shift();
    if (item === undefined && this.#failure) throw this.#failure.error;
    this.#changed();
    return item;
  }

  end(): void {
    this.#ended = true;
    this.#changed();
  }

  fail(error: unknown): void {
    this.#failure = { error };
    this.end();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  #changed(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const call of wake) call();
  }
}
