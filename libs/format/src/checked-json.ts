import { crc32c, utf8Decode, utf8Encode } from '@pyralog/base';
import { damaged, decodeSafely } from './damage.ts';

/**
 * Small objects of the bucket that people may want to read: one line of JSON whose last member is the
 * CRC-32C of the same text without that member.
 *
 *   file := object without its closing brace  ',"checksum":"' 8 hexadecimal digits '"}' LF
 */
const CHECKSUM_TAIL = /^,"checksum":"([0-9a-f]{8})"\}\n$/;
const TAIL_LENGTH = ',"checksum":"00000000"}\n'.length;

/** @param object has members, and no bigint: those are written as decimal text. */
export function encodeCheckedJson(object: object): Uint8Array {
  const text = JSON.stringify(object);
  const checksum = crc32c(utf8Encode(text)).toString(16).padStart(8, '0');
  return utf8Encode(`${text.slice(0, -1)},"checksum":"${checksum}"}\n`);
}

/** @throws object-damaged */
export function decodeCheckedJson(bytes: Uint8Array, what: string): Members {
  return decodeSafely(what, () => {
    const text = utf8Decode(bytes);
    const checksum = CHECKSUM_TAIL.exec(text.slice(-TAIL_LENGTH))?.[1];
    const object = `${text.slice(0, -TAIL_LENGTH)}}`;
    if (checksum === undefined) throw damaged(what, 'it does not end with its checksum');
    if (Number.parseInt(checksum, 16) !== crc32c(utf8Encode(object))) {
      throw damaged(what, 'its checksum is wrong');
    }
    return new Members(JSON.parse(object), what);
  });
}

/** Typed access to an object of JSON; what is missing or of another type is damage. */
export class Members {
  readonly #object: Readonly<Record<string, unknown>>;
  readonly #what: string;

  constructor(object: unknown, what: string) {
    this.#what = what;
    if (typeof object !== 'object' || object === null || Array.isArray(object)) {
      throw damaged(what, 'an object is missing');
    }
    this.#object = object as Readonly<Record<string, unknown>>;
  }

  text(name: string): string {
    const value = this.#of(name);
    if (typeof value !== 'string') throw this.#wrong(name);
    return value;
  }

  optionalText(name: string): string | undefined {
    return this.#of(name) === null ? undefined : this.text(name);
  }

  boolean(name: string): boolean {
    const value = this.#of(name);
    if (typeof value !== 'boolean') throw this.#wrong(name);
    return value;
  }

  /** A safe integer that is not negative. */
  count(name: string): number {
    const value = this.#of(name);
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
      throw this.#wrong(name);
    return value;
  }

  /** Decimal text. */
  bigint(name: string): bigint {
    const text = this.text(name);
    if (!/^(?:0|[1-9][0-9]*)$/.test(text)) throw this.#wrong(name);
    return BigInt(text);
  }

  members(name: string): Members {
    return new Members(this.#of(name), this.#what);
  }

  list(name: string): readonly Members[] {
    return this.#array(name).map((each) => new Members(each, this.#what));
  }

  /** A list of safe integers that are not negative. */
  counts(name: string): readonly number[] {
    const values = this.#array(name);
    if (!values.every((each) => Number.isSafeInteger(each) && (each as number) >= 0))
      throw this.#wrong(name);
    return values as readonly number[];
  }

  /** A list of pairs of counts. */
  pairs(name: string): readonly (readonly [number, number])[] {
    return this.#array(name).map((each) => {
      const [from, to] = Array.isArray(each) ? (each as unknown[]) : [];
      if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to)) throw this.#wrong(name);
      return [from as number, to as number];
    });
  }

  #array(name: string): readonly unknown[] {
    const value = this.#of(name);
    if (!Array.isArray(value)) throw this.#wrong(name);
    return value;
  }

  #of(name: string): unknown {
    return Object.hasOwn(this.#object, name) ? this.#object[name] : undefined;
  }

  #wrong(name: string): Error {
    return damaged(this.#what, `its member "${name}" is missing or of the wrong type`);
  }
}
