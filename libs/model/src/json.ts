import { hasLoneSurrogate, utf8Decode, utf8Encode } from '@pyralog/base';
import { PyralogError } from './errors.ts';
import { detached, INTERN_LENGTH_MAX, InternTable } from './intern-table.ts';
import { shortened } from './json-print.ts';
import { type Json, JsonNumber, JsonObject } from './json-tree.ts';
import { JSON_DEPTH_MAX } from './limits.ts';

/**
 * Reads one JSON text (RFC 8259) without losing anything, and refuses what readers disagree about:
 * double names, half surrogate pairs (escaped ones too), bytes that are not UTF-8, a byte order mark, anything
 * after the value.
 *
 * One pass over characters: the bytes are decoded at once (which also proves them to be UTF-8), a string without
 * escapes is one slice, and nothing is looked at twice.
 * @throws json-malformed with `line` and `column` (from 1, in UTF-16 units), or `offset` of the bad byte.
 */
export function parseJson(source: Uint8Array | string, depthMax: number = JSON_DEPTH_MAX): Json {
  const text = typeof source === 'string' ? checked(source) : decoded(source);
  return new JsonReader(text, unitsOf(text, source), depthMax).document();
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const PLUS = 0x2b;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const LETTER_E = 0x65;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const SPACE = 0x20;
const BYTE_ORDER_MARK = 0xfeff;

/** A view may waste this many times its length in memory before it is copied. */
const VIEW_WASTE_MAX = 2;

type Units = Uint8Array | Uint16Array;

const nameTable = new InternTable(1024);
const textTable = new InternTable(4096);

/**
 * By depth, the names of the last object there. Objects beside each other, and documents after each other,
 * mostly have the same names in the same order: then they are distinct, and one list serves all.
 */
const shapes: (readonly string[])[] = [];
const SHAPE_NAMES_MAX = 32;

const NO_NAMES: readonly string[] = [];
const NO_VALUES: readonly Json[] = [];

class JsonReader {
  readonly #text: string;
  /** The UTF-16 units of the text: reading a typed array is several times faster than `charCodeAt`. */
  readonly #units: Units;
  readonly #end: number;
  readonly #depthMax: number;
  #at = 0;
  #depth = 0;

  constructor(text: string, units: Units, depthMax: number) {
    this.#text = text;
    this.#units = units;
    this.#end = text.length;
    this.#depthMax = depthMax;
  }

  document(): Json {
    if (this.#units[0] === BYTE_ORDER_MARK) {
      throw this.#error(
        'The text begins with a byte order mark',
        'Write the text as UTF-8 without one.',
      );
    }
    const value = this.#value(this.#next());
    this.#next();
    if (this.#at < this.#end) throw this.#error('There is more text after the end of the value');
    return value;
  }

  /** Skips white space. @returns the code at the new place, -1 at the end. */
  #next(): number {
    const units = this.#units;
    const end = this.#end;
    let at = this.#at;
    while (at < end) {
      const code = units[at] as number;
      if (code > SPACE || (code !== SPACE && code !== 0x0a && code !== 0x0d && code !== 0x09)) {
        this.#at = at;
        return code;
      }
      at++;
    }
    this.#at = at;
    return -1;
  }

  #value(code: number): Json {
    switch (code) {
      case QUOTE:
        return this.#string(textTable);
      case OPEN_BRACE:
        return this.#object();
      case OPEN_BRACKET:
        return this.#array();
      case 0x74:
        return this.#word('true', true);
      case 0x66:
        return this.#word('false', false);
      case 0x6e:
        return this.#word('null', null);
      default:
        if (code === MINUS || (code >= ZERO && code <= NINE)) return this.#number();
        throw this.#unexpected('a value');
    }
  }

  #object(): JsonObject {
    this.#enter();
    const shape = shapes[this.#depth] ?? NO_NAMES;
    const values: Json[] = [];
    /** Names of this object once it differs from the shape. */
    let own: NameList | undefined;
    let code = this.#next();
    if (code === CLOSE_BRACE) return this.#leave(new JsonObject(NO_NAMES, NO_VALUES));
    for (;;) {
      if (code !== QUOTE) throw this.#unexpected('a name in quotes');
      const nameAt = this.#at;
      const name = this.#string(nameTable);
      if (own !== undefined || name !== shape[values.length]) {
        own ??= new NameList(shape.slice(0, values.length));
        if (!own.add(name)) {
          this.#at = nameAt;
          throw this.#error(
            `The name ${JSON.stringify(shortened(name))} stands twice in one object`,
          );
        }
      }
      if (this.#next() !== COLON) throw this.#unexpected('a colon');
      this.#at++;
      values.push(this.#value(this.#next()));
      code = this.#next();
      if (code === CLOSE_BRACE)
        return this.#leave(new JsonObject(this.#names(shape, own, values.length), values));
      if (code !== COMMA) throw this.#unexpected('a comma or the end of the object');
      this.#at++;
      code = this.#next();
    }
  }

  #names(shape: readonly string[], own: NameList | undefined, count: number): readonly string[] {
    if (own === undefined && shape.length === count) return shape;
    const names = own?.names ?? shape.slice(0, count);
    if (count <= SHAPE_NAMES_MAX) shapes[this.#depth] = names;
    return names;
  }

  #array(): readonly Json[] {
    this.#enter();
    const values: Json[] = [];
    let code = this.#next();
    if (code === CLOSE_BRACKET) return this.#leave(values);
    for (;;) {
      values.push(this.#value(code));
      code = this.#next();
      if (code === CLOSE_BRACKET) return this.#leave(values);
      if (code !== COMMA) throw this.#unexpected('a comma or the end of the array');
      this.#at++;
      code = this.#next();
    }
  }

  #enter(): void {
    if (++this.#depth > this.#depthMax)
      throw this.#error(`The text is nested deeper than ${this.#depthMax} levels`);
    this.#at++;
  }

  #leave<T>(value: T): T {
    this.#depth--;
    this.#at++;
    return value;
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#unexpected('a value');
    this.#at += word.length;
    return value;
  }

  #number(): JsonNumber {
    const units = this.#units;
    const start = this.#at;
    const first = units[start] === MINUS ? start + 1 : start;
    let at = this.#digits(first);
    let isInteger = true;
    if (units[first] === ZERO && at > first + 1) {
      this.#at = first;
      throw this.#error('A number does not begin with a needless zero');
    }
    if (at < this.#end && units[at] === DOT) {
      isInteger = false;
      at = this.#digits(at + 1);
    }
    if (at < this.#end && ((units[at] as number) | 0x20) === LETTER_E) {
      isInteger = false;
      const sign = units[at + 1];
      at = this.#digits(sign === MINUS || sign === PLUS ? at + 2 : at + 1);
    }
    this.#at = at;
    return new JsonNumber(this.#slice(start, at), isInteger);
  }

  /** One digit or more. @returns the place behind them. */
  #digits(from: number): number {
    const units = this.#units;
    let at = from;
    while (at < this.#end) {
      const code = units[at] as number;
      if (code < ZERO || code > NINE) break;
      at++;
    }
    if (at > from) return at;
    this.#at = at;
    throw this.#unexpected('a digit');
  }

  #string(table: InternTable): string {
    const units = this.#units;
    const end = this.#end;
    const start = this.#at + 1;
    for (let at = start; at < end; at++) {
      const code = units[at] as number;
      if (code === QUOTE) {
        this.#at = at + 1;
        return at - start > INTERN_LENGTH_MAX
          ? this.#slice(start, at)
          : table.slice(this.#text, units, start, at);
      }
      if (code === BACKSLASH) return this.#escaped(start, at);
      if (code < SPACE) throw this.#control(at);
    }
    this.#at = end;
    throw this.#unexpected('the closing quote of a string');
  }

  /** The rest of a string from its first backslash on. */
  #escaped(start: number, firstEscape: number): string {
    const text = this.#text;
    const parts: string[] = [];
    let from = start;
    let surrogates = false;
    let at = firstEscape;
    while (at < this.#end) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) {
        parts.push(text.slice(from, at));
        const all = parts.join('');
        if (surrogates && hasLoneSurrogate(all)) {
          this.#at = start - 1;
          throw this.#error(
            'The string has half of a surrogate pair',
            'Characters above U+FFFF are written as two \\u escapes, high before low.',
          );
        }
        this.#at = at + 1;
        return all;
      }
      if (code < SPACE) throw this.#control(at);
      if (code !== BACKSLASH) {
        at++;
        continue;
      }
      parts.push(text.slice(from, at));
      const unit = this.#escape(at);
      surrogates ||= unit >= 0xd800 && unit <= 0xdfff;
      parts.push(String.fromCharCode(unit));
      at += text.charCodeAt(at + 1) === 0x75 ? 6 : 2;
      from = at;
    }
    this.#at = this.#end;
    throw this.#unexpected('the closing quote of a string');
  }

  /** @returns the UTF-16 unit that the escape at `at` stands for. */
  #escape(at: number): number {
    const letter = this.#text.charAt(at + 1);
    const simple = ESCAPES.get(letter);
    if (simple !== undefined) return simple;
    const digits = this.#text.slice(at + 2, at + 6);
    if (letter === 'u' && /^[0-9a-fA-F]{4}$/.test(digits)) return Number.parseInt(digits, 16);
    this.#at = at;
    throw this.#error(
      'This is no escape of JSON',
      'After a backslash stand ", \\, /, b, f, n, r, t, or u and four hexadecimal digits.',
    );
  }

  /** A slice that does not keep a much longer text alive. */
  #slice(start: number, end: number): string {
    const slice = this.#text.slice(start, end);
    return (end - start) * VIEW_WASTE_MAX >= this.#end ? slice : detached(slice);
  }

  #control(at: number): PyralogError {
    this.#at = at;
    const code = this.#text.charCodeAt(at).toString(16).padStart(4, '0');
    return this.#error('A control character stands in a string', `Write it as \\u${code}.`);
  }

  #unexpected(expected: string): PyralogError {
    if (this.#at >= this.#end) return this.#error(`The text ends where ${expected} should stand`);
    const found = String.fromCodePoint(this.#text.codePointAt(this.#at) ?? 0);
    return this.#error(`${JSON.stringify(found)} stands where ${expected} should stand`);
  }

  #error(problem: string, hint?: string): PyralogError {
    const before = this.#text.slice(0, this.#at);
    const line = before.split('\n').length;
    const column = this.#at - before.lastIndexOf('\n');
    return new PyralogError('json-malformed', `${problem} (line ${line}, column ${column}).`, {
      hint,
      extra: { line, column },
    });
  }
}

/** Above this a double name is looked for in a set rather than by a linear search. */
const LINEAR_NAMES_MAX = 12;

/** The distinct names of one object. */
class NameList {
  readonly names: string[];
  #seen: Set<string> | undefined;

  constructor(names: string[]) {
    this.names = names;
  }

  /** @returns whether the name is new. */
  add(name: string): boolean {
    if (this.names.length > LINEAR_NAMES_MAX) this.#seen ??= new Set(this.names);
    if (this.#seen === undefined ? this.names.includes(name) : this.#seen.has(name)) return false;
    this.#seen?.add(name);
    this.names.push(name);
    return true;
  }
}

const ESCAPES: ReadonlyMap<string, number> = new Map([
  ['"', 0x22],
  ['\\', 0x5c],
  ['/', 0x2f],
  ['b', 0x08],
  ['f', 0x0c],
  ['n', 0x0a],
  ['r', 0x0d],
  ['t', 0x09],
]);

function checked(text: string): string {
  if (!hasLoneSurrogate(text)) return text;
  throw new PyralogError(
    'json-malformed',
    'The text has half of a surrogate pair, which no UTF-8 can hold.',
  );
}

/** Of ASCII text the bytes are the units. */
function unitsOf(text: string, source: Uint8Array | string): Units {
  const bytes = typeof source === 'string' ? utf8Encode(source) : source;
  if (bytes.length === text.length) return plainView(bytes);
  const units = new Uint16Array(text.length);
  for (let at = 0; at < units.length; at++) units[at] = text.charCodeAt(at);
  return units;
}

/** Subclasses (Buffer) would make every access in the reader a choice of classes. */
function plainView(bytes: Uint8Array): Uint8Array {
  return bytes.constructor === Uint8Array
    ? bytes
    : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

function decoded(bytes: Uint8Array): string {
  try {
    return utf8Decode(bytes);
  } catch (cause) {
    const offset = firstInvalidByte(bytes);
    throw new PyralogError('json-malformed', `The text is not UTF-8 (byte ${offset}).`, {
      hint: 'JSON is written in UTF-8.',
      extra: { offset },
      cause,
    });
  }
}

/** Offset of the first sequence that is not UTF-8 (Unicode 15, table 3-7), or ends too early. */
function firstInvalidByte(bytes: Uint8Array): number {
  let at = 0;
  while (at < bytes.length) {
    const length = sequenceLength(bytes, at);
    if (length === 0) return at;
    at += length;
  }
  return at;
}

function sequenceLength(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] as number;
  if (lead < 0x80) return 1;
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  const second = bytes[at + 1] ?? 0;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  if ((lead === 0xe0 && second < 0xa0) || (lead === 0xed && second > 0x9f)) return 0;
  if ((lead === 0xf0 && second < 0x90) || (lead === 0xf4 && second > 0x8f)) return 0;
  for (let i = 1; i < length; i++) if (((bytes[at + i] ?? 0) & 0xc0) !== 0x80) return 0;
  return length;
}
