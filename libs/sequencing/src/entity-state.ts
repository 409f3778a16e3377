import { assert } from '@pyralog/base';
import { isReference, type StoredFact, TX_NONE, type Tx, type StoredValue } from '@pyralog/model';
import { hasValue, type Values, withoutValue, withValue } from './value-set.ts';

/** Up to here a search for an attribute is faster than a map. */
const SEARCHED_MAX = 16;
/** About what an entity costs in memory besides its id, an attribute slot of it, and a value besides its text. */
const ENTITY_BYTES = 380;
const SLOT_BYTES = 40;
const VALUE_BYTES = 72;
/** What a reference to a blob costs besides: prefix, hash and length. */
const REFERENCE_BYTES = 500;

/**
 * What the owner has in memory of one entity: the values in force by attribute, and when each attribute
 * was written last. Attributes stand in slots of flat arrays, since most entities have about ten; a
 * slot stays when its last value goes, for it still tells when that was.
 *
 * A replay writes entities whose earlier facts only the runs know. Such an entry is not *based*: it holds
 * what the log asserted since, and hides what the log retracted since from the facts that {@link base}
 * brings.
 */
export class EntityState {
  readonly #attributes: string[] = [];
  readonly #values: Values[] = [];
  /** tx of the newest fact of a slot, TX_NONE where memory does not know it. */
  readonly #lastTx: Tx[] = [];
  #slots: Map<string, number> | undefined;
  #hidden: Map<string, Values> | undefined;
  /** What the runs said of newest facts, by attribute, '' for any. */
  #loadedLastTx: Map<string, Tx | undefined> | undefined;
  #newest: Tx = TX_NONE;
  #based: boolean;
  /** Every fact there ever was of it went through here. */
  readonly #whole: boolean;

  /** Offset of the record that wrote it last; -1 where the runs know all of it. */
  writtenAt = -1;
  /** Since the last sweep. */
  used = true;
  /** About what it takes of memory. */
  bytes: number;

  /** @param whole it has no facts but those that will be folded; else its base is in the runs. */
  constructor(entity: string, whole: boolean) {
    this.#whole = whole;
    this.#based = whole;
    this.bytes = ENTITY_BYTES + entity.length;
  }

  /** Whether the values in force are all here. */
  get based(): boolean {
    return this.#based;
  }

  /** Attributes that have or had values, in no order. */
  get attributes(): readonly string[] {
    return this.#attributes;
  }

  get isEmpty(): boolean {
    return this.#values.every((values) => values === undefined);
  }

  /** In force; a set must not be changed. */
  held(attribute: string): Values {
    const slot = this.#slotOf(attribute);
    return slot < 0 ? undefined : this.#values[slot];
  }

  knowsLastTx(attribute: string | undefined): boolean {
    return (
      this.#whole ||
      this.#writtenTx(attribute) !== TX_NONE ||
      this.#loadedLastTx?.has(attribute ?? '') === true
    );
  }

  /** tx of the newest fact, asserted or retracted, of the entity or one attribute. It must be known. */
  lastTx(attribute: string | undefined): Tx | undefined {
    const written = this.#writtenTx(attribute);
    return written === TX_NONE ? this.#loadedLastTx?.get(attribute ?? '') : written;
  }

  /** Takes one fact of the log, newer than all before of its attribute. */
  fold({ attribute, value, tx, operation }: StoredFact): void {
    let slot = this.#slotOf(attribute);
    if (slot < 0) slot = this.#addSlot(attribute);
    const before = this.#values[slot];
    if (operation === 'assert') {
      assert(!hasValue(before, value), 'I8: a value in force is not asserted again');
      this.#values[slot] = withValue(before, value);
      this.bytes += bytesOf(value);
    } else {
      const held = hasValue(before, value);
      assert(held || !this.#based, 'I8: only a value in force is retracted');
      if (held) {
        this.#values[slot] = withoutValue(before, value);
        this.bytes -= bytesOf(value);
      }
      if (!this.#based) this.#hide(attribute, value);
    }
    this.#lastTx[slot] = tx;
    // Another attribute may have been written by a younger transaction that was decided before.
    if (tx > this.#newest) this.#newest = tx;
  }

  /** Takes the facts in force that the runs hold; what was folded since stays on top. */
  base(facts: readonly StoredFact[]): void {
    if (this.#based) return;
    for (const { attribute, value } of facts) {
      if (hasValue(this.#hidden?.get(attribute), value)) continue;
      let slot = this.#slotOf(attribute);
      if (slot < 0) slot = this.#addSlot(attribute);
      const before = this.#values[slot];
      // Newer runs also hold what was folded here.
      if (hasValue(before, value)) continue;
      this.#values[slot] = withValue(before, value);
      this.bytes += bytesOf(value);
    }
    this.#hidden = undefined;
    this.#based = true;
  }

  /** Takes what the runs say of the newest fact. */
  loadLastTx(attribute: string | undefined, tx: Tx | undefined): void {
    (this.#loadedLastTx ??= new Map()).set(attribute ?? '', tx);
    this.bytes += SLOT_BYTES;
  }

  #writtenTx(attribute: string | undefined): Tx {
    if (attribute === undefined) return this.#newest;
    const slot = this.#slotOf(attribute);
    return slot < 0 ? TX_NONE : (this.#lastTx[slot] as Tx);
  }

  #slotOf(attribute: string): number {
    if (this.#slots !== undefined) return this.#slots.get(attribute) ?? -1;
    const attributes = this.#attributes;
    for (let i = 0; i < attributes.length; i++) if (attributes[i] === attribute) return i;
    return -1;
  }

  #addSlot(attribute: string): number {
    const slot = this.#attributes.length;
    this.#attributes.push(attribute);
    this.#values.push(undefined);
    this.#lastTx.push(TX_NONE);
    this.bytes += SLOT_BYTES;
    this.#slots?.set(attribute, slot);
    if (slot >= SEARCHED_MAX) this.#slots ??= new Map(this.#attributes.map((each, i) => [each, i]));
    return slot;
  }

  #hide(attribute: string, value: StoredValue): void {
    this.#hidden ??= new Map();
    this.#hidden.set(attribute, withValue(this.#hidden.get(attribute), value));
  }
}

function bytesOf(stored: StoredValue): number {
  if (isReference(stored)) return VALUE_BYTES + REFERENCE_BYTES;
  const { value } = stored;
  if (typeof value === 'string') return VALUE_BYTES + value.length;
  return value instanceof Uint8Array ? VALUE_BYTES + 100 + value.length : VALUE_BYTES;
}

/** An entity of which there is nothing. Never written to. */
export const NO_ENTITY: EntityState = new EntityState('', true);
