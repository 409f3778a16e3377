/** Longer texts are rarely seen twice, and comparing them costs more than it saves. */
export const INTERN_LENGTH_MAX = 48;

/**
 * Gives one string object for equal short texts, so that field names, attributes and hot entities cost no
 * memory per document and carry their hash for the maps behind. Direct-mapped: a text that meets
 * another in its slot takes the slot, so the table is bounded and needs no upkeep. A hit or a
 * miss gives equal strings; it is no state that anybody can see.
 */
export class InternTable {
  readonly #slots: string[];
  readonly #mask: number;

  /** @param slots a power of two */
  constructor(slots: number) {
    this.#slots = Array.from({ length: slots }, () => '');
    this.#mask = slots - 1;
  }

  /** `source.slice(start, end)`; `units` are the UTF-16 units of `source`. */
  slice(source: string, units: Uint8Array | Uint16Array, start: number, end: number): string {
    const slot = hash(units, start, end) & this.#mask;
    const known = this.#slots[slot] as string;
    const text = source.slice(start, end);
    if (known === text) return known;
    return (this.#slots[slot] = detached(text));
  }
}

/** A few of the units are enough: digits that count up stand at the end, names differ in the middle. */
function hash(units: Uint8Array | Uint16Array, start: number, end: number): number {
  if (start === end) return 0;
  let mixed = end - start;
  for (let at = Math.max(start, end - 6); at < end; at++)
    mixed = Math.imul(mixed, 31) + (units[at] as number);
  mixed = Math.imul(mixed, 31) + (units[start] as number);
  mixed = Math.imul(mixed, 31) + (units[(start + end) >>> 1] as number);
  return mixed ^ (mixed >>> 12);
}

/** Shorter slices are copies in V8; longer ones are views that keep their whole source alive. */
const VIEW_LENGTH_MIN = 13;

/**
 * An equal string that does not keep the source alive which it was cut from: one cached entity id must not hold a
 * document of 64 MiB in memory. Appending forces V8 to make a flat copy.
 */
export function detached(text: string): string {
  return text.length < VIEW_LENGTH_MIN ? text : ` ${text}`.slice(1);
}
