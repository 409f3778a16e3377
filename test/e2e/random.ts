/** Seeded chance for tests: sfc32 by Chris Doty-Humphrey (PractRand), 32 bits a step. */
export class Random {
  #a: number;
  #b = 0x243f6a88;
  #c = 0xb7e15162;
  #d = 1;

  constructor(seed: number) {
    this.#a = seed | 0;
    for (let i = 0; i < 15; i++) this.#next();
  }

  /** Uniform in [0, 1). */
  fraction(): number {
    return this.#next() / 4_294_967_296;
  }

  /** Uniform in 0 to `end` - 1. */
  below(end: number): number {
    return Math.floor(this.fraction() * end);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  #next(): number {
    const t = (((this.#a + this.#b) | 0) + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + t;
    return t >>> 0;
  }
}
