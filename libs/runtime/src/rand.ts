import { randomBytes } from 'node:crypto';
import type { Rand } from './ports.ts';

/** Chance from the operating system. */
export class SystemRand implements Rand {
  bytes(length: number): Uint8Array {
    return new Uint8Array(randomBytes(length));
  }

  fraction(): number {
    return randomBytes(6).readUIntBE(0, 6) / 2 ** 48;
  }
}

/** Chance that repeats for a seed: sfc32 by Chris Doty-Humphrey (PractRand). For tests and simulation. */
export class SeededRand implements Rand {
  #a: number;
  #b = 0x243f6a88;
  #c = 0xb7e15162;
  #d = 1;

  constructor(seed: number) {
    this.#a = seed | 0;
    for (let i = 0; i < 15; i++) this.#next();
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.#next() & 0xff);
  }

  fraction(): number {
    return this.#next() / 2 ** 32;
  }

  #next(): number {
    const t = (((this.#a + this.#b) | 0) + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + t) | 0;
    return t >>> 0;
  }
}
