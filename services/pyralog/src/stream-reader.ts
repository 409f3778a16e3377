/** Takes the output of a program apart by delimiter and by length. Views stay valid: nothing is overwritten. */
export class StreamReader {
  readonly #source: AsyncIterator<Buffer>;
  #buffer: Buffer = Buffer.alloc(0);
  #at = 0;

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Bytes before the next delimiter, which is consumed. @returns undefined at the end of the stream */
  async until(delimiter: number): Promise<Buffer | undefined> {
    let searched = this.#at;
    for (;;) {
      const end = this.#buffer.indexOf(delimiter, searched);
      if (end >= 0) {
        const part = this.#buffer.subarray(this.#at, end);
        this.#at = end + 1;
        return part;
      }
      searched = this.#buffer.length - this.#at;
      if (!(await this.#fill(1))) return undefined;
    }
  }

  /** Exactly so many bytes. @returns undefined where the stream ends before */
  async take(length: number): Promise<Buffer | undefined> {
    const missing = this.#at + length - this.#buffer.length;
    if (missing > 0 && !(await this.#fill(missing))) return undefined;
    const part = this.#buffer.subarray(this.#at, this.#at + length);
    this.#at += length;
    return part;
  }

  /** What is left when no delimiter comes any more. @returns undefined where nothing is */
  async rest(): Promise<Buffer | undefined> {
    while (await this.#fill(1));
    const part = this.#buffer.subarray(this.#at);
    this.#at = this.#buffer.length;
    return part.length === 0 ? undefined : part;
  }

  /** Reads at least so many bytes more; what was consumed is let go. */
  async #fill(atLeast: number): Promise<boolean> {
    const parts = [this.#buffer.subarray(this.#at)];
    let missing = atLeast;
    while (missing > 0) {
      const next = await this.#source.next();
      if (next.done === true) break;
      parts.push(next.value);
      missing -= next.value.length;
    }
    this.#buffer = Buffer.concat(parts);
    this.#at = 0;
    return missing <= 0;
  }
}
