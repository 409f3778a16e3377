import { assert, toHex } from '@pyralog/base';
import {
  equalValues,
  type Fact,
  type LogOffset,
  type Schema,
  type Tx,
  type Value,
} from '@pyralog/model';

/** What the owner does not have in memory and must read from the runs of the adopted manifest. */
export type Need =
  /** The facts in force of an entity. */
  | { readonly kind: 'entity'; readonly entity: string }
  /** The entity that holds a unique value. */
  | { readonly kind: 'owner'; readonly attribute: string; readonly value: Value }
  /** tx of the newest fact, asserted or retracted, of an entity or of one attribute of it. */
  | { readonly kind: 'lastTx'; readonly entity: string; readonly attribute: string | undefined };

export type NeedAnswer =
  | { readonly need: Need & { readonly kind: 'entity' }; readonly facts: readonly Fact[] }
  | { readonly need: Need & { readonly kind: 'owner' }; readonly owner: string | undefined }
  | { readonly need: Need & { readonly kind: 'lastTx' }; readonly tx: Tx | undefined };

interface EntityEntry {
  /** Facts in force, or those that the log after the manifest asserted while the base is unknown. */
  attributes: string[];
  values: Value[];
  /** Whether what the runs hold is in it. */
  based: boolean;
  /** While not based: (attribute, value) that the log retracted, which hide the base's. */
  hidden: { readonly attribute: string; readonly value: Value }[];
  /** Last write by attribute since the entry began, '' for any; the runs know of older ones. */
  readonly lastTx: Map<string, Tx | undefined>;
  /** Offset of the record that wrote it last; -1 where the runs hold all of it. */
  writtenAt: number;
  bytes: number;
  used: boolean;
}

interface OwnerEntry {
  owner: string | undefined;
  writtenAt: number;
}

type OwnerKey = string | bigint | number | boolean;

const NO_VALUES: readonly Value[] = [];
/** What an entry and a fact cost besides their texts, about. */
const ENTRY_BYTES = 400;
const FACT_BYTES = 80;

/**
 * The owner's memory of current values: a cache of what the runs say, and all that the log says since.
 *
 * An entry written since the adopted manifest's cut is *dirty*: the runs do not know it yet, so it stays.
 * Clean ones are dropped beyond the budget, and read again from the runs when they are needed (there is
 * no second store). `complete` says that nothing was ever dropped, so what is not here is nowhere.
 */
export class CurrentState {
  readonly #entities = new Map<string, EntityEntry>();
  readonly #owners = new Map<string, Map<OwnerKey, OwnerEntry>>();
  readonly #bytesMax: number;
  #bytes = 0;
  #sweepAt: number;
  #complete: boolean;
  #indexed = 0;

  constructor(complete: boolean, bytesMax: number) {
    this.#complete = complete;
    this.#bytesMax = bytesMax;
    this.#sweepAt = bytesMax;
  }

  get complete(): boolean {
    return this.#complete;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Values in force of one attribute, in no order. The entity must be known. */
  valuesOf(entity: string, attribute: string): readonly Value[] {
    const entry = this.#known(entity);
    if (entry === undefined) return NO_VALUES;
    let found: Value[] | undefined;
    for (let i = 0; i < entry.attributes.length; i++) {
      if (entry.attributes[i] === attribute) (found ??= []).push(entry.values[i] as Value);
    }
    return found ?? NO_VALUES;
  }

  /** Every (attribute, value) in force. The entity must be known. */
  *factsOf(
    entity: string,
  ): IterableIterator<{ readonly attribute: string; readonly value: Value }> {
    const entry = this.#known(entity);
    if (entry === undefined) return;
    for (let i = 0; i < entry.attributes.length; i++) {
      yield { attribute: entry.attributes[i] as string, value: entry.values[i] as Value };
    }
  }

  /** Who holds a unique value. It must be known. */
  ownerOf(attribute: string, value: Value): string | undefined {
    const entry = this.#owners.get(attribute)?.get(ownerKey(value));
    assert(entry !== undefined || this.#complete, 'an owner is loaded before it is asked for');
    return entry?.owner;
  }

  /** tx of the newest fact of an entity or of one attribute; it must be known. */
  lastTxOf(entity: string, attribute: string | undefined): Tx | undefined {
    const entry = this.#entities.get(entity);
    const key = attribute ?? '';
    assert(
      this.#complete || entry?.lastTx.has(key),
      'the last tx is loaded before it is asked for',
    );
    return entry?.lastTx.get(key);
  }

  knows(need: Need): boolean {
    if (this.#complete) return true;
    switch (need.kind) {
      case 'entity':
        return this.#entities.get(need.entity)?.based === true;
      case 'owner':
        return this.#owners.get(need.attribute)?.has(ownerKey(need.value)) === true;
      case 'lastTx':
        return this.#entities.get(need.entity)?.lastTx.has(need.attribute ?? '') === true;
    }
  }

  /** Takes what the runs say; what the log said since stays on top. */
  load(answer: NeedAnswer): void {
    switch (answer.need.kind) {
      case 'entity':
        this.#loadEntity(
          answer.need.entity,
          (answer as NeedAnswer & { facts: readonly Fact[] }).facts,
        );
        break;
      case 'owner': {
        const { attribute, value } = answer.need;
        const owners = this.#ownersOf(attribute);
        const key = ownerKey(value);
        if (!owners.has(key)) {
          owners.set(key, {
            owner: (answer as { owner: string | undefined }).owner,
            writtenAt: -1,
          });
          this.#bytes += FACT_BYTES;
        }
        break;
      }
      case 'lastTx': {
        const { entity, attribute } = answer.need;
        const { lastTx } = this.#entities.get(entity) ?? this.#add(entity, false);
        if (!lastTx.has(attribute ?? ''))
          lastTx.set(attribute ?? '', (answer as { tx: Tx | undefined }).tx);
        break;
      }
    }
  }

  /** Folds facts of one transaction: the same for the leader's own and for a replay. */
  fold(facts: readonly Fact[], schema: Schema, offset: LogOffset | number): void {
    for (const { entity, attribute, value, tx, operation } of facts) {
      const entry = this.#entities.get(entity) ?? this.#add(entity, this.#complete);
      entry.used = true;
      entry.writtenAt = offset;
      entry.lastTx.set(attribute, tx).set('', tx);
      if (operation === 'assert') this.#assertFact(entry, attribute, value);
      else this.#retractFact(entry, attribute, value);
      if (schema.attribute(attribute)?.unique !== undefined)
        this.#claim(entity, attribute, value, operation, offset);
    }
  }

  /** The runs hold everything before `next` now. */
  indexed(next: LogOffset): void {
    this.#indexed = next;
    this.#sweepAt = this.#bytesMax;
  }

  #known(entity: string): EntityEntry | undefined {
    const entry = this.#entities.get(entity);
    assert(entry?.based ?? this.#complete, `the entity ${entity} is loaded before it is asked for`);
    if (entry !== undefined) entry.used = true;
    return entry;
  }

  #add(entity: string, based: boolean): EntityEntry {
    const bytes = ENTRY_BYTES + entity.length;
    const entry: EntityEntry = {
      attributes: [],
      values: [],
      based,
      hidden: [],
      lastTx: new Map(),
      writtenAt: -1,
      bytes,
      used: true,
    };
    this.#entities.set(entity, entry);
    this.#bytes += bytes;
    return entry;
  }

  #loadEntity(entity: string, facts: readonly Fact[]): void {
    const entry = this.#entities.get(entity) ?? this.#add(entity, false);
    if (entry.based) return;
    for (const { attribute, value } of facts) {
      const hidden = entry.hidden.some(
        (fact) => fact.attribute === attribute && equalValues(fact.value, value),
      );
      if (!hidden && indexOf(entry, attribute, value) < 0) this.#push(entry, attribute, value);
    }
    entry.hidden = [];
    entry.based = true;
  }

  #assertFact(entry: EntityEntry, attribute: string, value: Value): void {
    if (!entry.based)
      entry.hidden = entry.hidden.filter(
        (fact) => fact.attribute !== attribute || !equalValues(fact.value, value),
      );
    assert(indexOf(entry, attribute, value) < 0, 'I8: a value in force is not asserted again');
    this.#push(entry, attribute, value);
  }

  #retractFact(entry: EntityEntry, attribute: string, value: Value): void {
    const i = indexOf(entry, attribute, value);
    if (!entry.based) entry.hidden.push({ attribute, value });
    else assert(i >= 0, 'only a value in force is retracted');
    if (i < 0) return;
    const bytes = FACT_BYTES + sizeOf(value);
    entry.bytes -= bytes;
    this.#bytes -= bytes;
    entry.attributes.splice(i, 1);
    entry.values.splice(i, 1);
  }

  #push(entry: EntityEntry, attribute: string, value: Value): void {
    const bytes = FACT_BYTES + sizeOf(value);
    entry.attributes.push(attribute);
    entry.values.push(value);
    entry.bytes += bytes;
    this.#bytes += bytes;
  }

  #claim(
    entity: string,
    attribute: string,
    value: Value,
    operation: Fact['operation'],
    offset: number,
  ): void {
    const owners = this.#ownersOf(attribute);
    const key = ownerKey(value);
    const known = owners.get(key);
    if (operation === 'assert') owners.set(key, { owner: entity, writtenAt: offset });
    // Another entity may have taken the value in the same transaction, whatever the order of its facts.
    else if (known === undefined || known.owner === entity)
      owners.set(key, { owner: undefined, writtenAt: offset });
    if (known === undefined) this.#bytes += FACT_BYTES;
  }

  #ownersOf(attribute: string): Map<OwnerKey, OwnerEntry> {
    let owners = this.#owners.get(attribute);
    if (owners === undefined) this.#owners.set(attribute, (owners = new Map()));
    return owners;
  }

  /**
   * Drops clean entries beyond the budget. Second chance: what was used since the last time goes behind
   * the others, once. Never between the loading of what a step needs and the step.
   */
  trim(): void {
    if (this.#bytes <= this.#sweepAt) return;
    for (let left = this.#entities.size; left > 0 && this.#bytes > this.#bytesMax; left--) {
      const [entity, entry] = this.#entities.entries().next().value as [string, EntityEntry];
      this.#entities.delete(entity);
      if (entry.used || entry.writtenAt >= this.#indexed) {
        entry.used = false;
        this.#entities.set(entity, entry);
        continue;
      }
      this.#bytes -= entry.bytes;
      this.#complete = false;
    }
    for (const owners of this.#owners.values()) {
      if (this.#bytes <= this.#bytesMax) break;
      for (const [key, { writtenAt }] of owners) {
        if (writtenAt >= this.#indexed) continue;
        owners.delete(key);
        this.#bytes -= FACT_BYTES;
        this.#complete = false;
      }
    }
    // Where all is dirty, another sweep would find nothing before it has grown or was indexed.
    this.#sweepAt = Math.max(this.#bytesMax, this.#bytes + this.#bytesMax / 8);
  }
}

function indexOf(entry: EntityEntry, attribute: string, value: Value): number {
  for (let i = 0; i < entry.attributes.length; i++) {
    if (entry.attributes[i] === attribute && equalValues(entry.values[i] as Value, value)) return i;
  }
  return -1;
}

/** The types of an attribute never mix, so the bare content distinguishes its values. */
function ownerKey(value: Value): OwnerKey {
  return value.type === 'bytes' ? toHex(value.value) : value.value;
}

function sizeOf({ value }: Value): number {
  return typeof value === 'string'
    ? value.length * 2
    : value instanceof Uint8Array
      ? value.length
      : 8;
}
