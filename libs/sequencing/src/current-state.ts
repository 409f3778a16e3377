import { assert, AssertionError } from '@pyralog/base';
import type {
  LogOffset,
  Schema,
  StoredDefinition,
  StoredFact,
  StoredValue,
  Tx,
} from '@pyralog/model';
import { EntityState, NO_ENTITY } from './entity-state.ts';
import { type Memory, Owners } from './owners.ts';

/** What the owner does not have in memory and must read from the runs of the adopted manifest. */
export type Need =
  /** The facts in force of an entity. */
  | { readonly kind: 'entity'; readonly entity: string }
  /** The entity that holds a unique value. */
  | { readonly kind: 'owner'; readonly attribute: string; readonly value: StoredValue }
  /** tx of the newest fact, asserted or retracted, of an entity or of one attribute of it. */
  | { readonly kind: 'lastTx'; readonly entity: string; readonly attribute: string | undefined }
  /** Whether an attribute has any fact, now or in the past. */
  | { readonly kind: 'hasFacts'; readonly attribute: string };

/** What the runs say to a {@link Need}. */
export type NeedAnswer =
  | { readonly need: Need & { readonly kind: 'entity' }; readonly facts: readonly StoredFact[] }
  | { readonly need: Need & { readonly kind: 'owner' }; readonly owner: string | undefined }
  | { readonly need: Need & { readonly kind: 'lastTx' }; readonly tx: Tx | undefined }
  | { readonly need: Need & { readonly kind: 'hasFacts' }; readonly hasFacts: boolean };

/**
 * Entries that a trim looks at for every one that was written since the last: two, if all were clean, keep
 * up with the writes; and no commit waits for a sweep of all.
 */
const SWEPT_PER_WRITTEN = 4;
const SWEPT_MIN = 64;

/**
 * Something was asked for that is not in memory: a defect, but where it shows only by planning or within a step what is
 * needed. Then whatever asked waits until it is there.
 */
export class NotLoaded extends AssertionError {
  readonly need: Need;

  constructor(need: Need) {
    super(`what is asked for is loaded before: ${need.kind}`);
    this.need = need;
  }
}

/**
 * The owner's memory of current values: a cache of what the runs say, and all that the log says since.
 *
 * An entry written since the adopted manifest's cut is *dirty*: the runs do not know it yet, so it stays.
 * Clean ones are dropped beyond the budget, least recently used first (second chance), and read again
 * from the runs when they are needed: there is no second store. While nothing was ever dropped of a
 * database that began empty, what is not here is nowhere, and nothing is ever read.
 */
export class CurrentState {
  readonly #entities = new Map<string, EntityState>();
  readonly #owners = new Map<string, Owners>();
  /** Attributes that are known to have facts, or to have none in the runs. */
  readonly #hasFacts = new Map<string, boolean>();
  readonly #bytesMax: number;
  readonly #began: boolean;
  readonly #memory: Memory = { bytes: 0 };
  readonly #ownersHere: (definition: StoredDefinition) => boolean;
  #written = 0;
  #entitiesComplete: boolean;
  #complete: boolean;
  #indexed = 0;
  #sweep: IterableIterator<readonly [string, EntityState]> | undefined;

  /**
   * @param complete the runs hold nothing
   * @param bytesMax for what the runs know too; what they do not know yet comes on top
   * @param ownersHere whether the holders of a unique attribute's values are found on this partition
   */
  constructor(
    complete: boolean,
    bytesMax: number,
    ownersHere: (definition: StoredDefinition) => boolean,
  ) {
    this.#ownersHere = ownersHere;
    this.#began = complete;
    this.#entitiesComplete = complete;
    this.#complete = complete;
    this.#bytesMax = bytesMax;
  }

  /** What is not here is nowhere. */
  get complete(): boolean {
    return this.#complete;
  }

  /** Memory that is taken, about. */
  get bytes(): number {
    return this.#memory.bytes;
  }

  /** The facts in force of an entity; they must be known. */
  entity(id: string): EntityState {
    const entity = this.#entities.get(id);
    if (!(entity?.based ?? this.#entitiesComplete))
      throw new NotLoaded({ kind: 'entity', entity: id });
    if (entity === undefined) return NO_ENTITY;
    entity.used = true;
    return entity;
  }

  /** Whether memory has facts of an entity, in force or not. */
  mentions(id: string): boolean {
    return this.#entities.has(id);
  }

  /** Who holds a unique value; it must be known. */
  ownerOf(attribute: string, value: StoredValue): string | undefined {
    const owners = this.#ownersOf(attribute);
    if (!owners.knows(value)) throw new NotLoaded({ kind: 'owner', attribute, value });
    return owners.of(value);
  }

  /** tx of the newest fact of an entity or of one attribute of it; it must be known. */
  lastTxOf(id: string, attribute: string | undefined): Tx | undefined {
    const entity = this.#entities.get(id) ?? (this.#entitiesComplete ? NO_ENTITY : undefined);
    if (entity?.knowsLastTx(attribute) !== true)
      throw new NotLoaded({ kind: 'lastTx', entity: id, attribute });
    entity.used = true;
    return entity.lastTx(attribute);
  }

  /** Whether an attribute has or had any fact; it must be known. */
  hasFacts(attribute: string): boolean {
    const known = this.#hasFacts.get(attribute);
    if (known === undefined && !this.#began) throw new NotLoaded({ kind: 'hasFacts', attribute });
    return known === true;
  }

  /** Whether it needs no {@link load}. */
  knows(need: Need): boolean {
    if (need.kind === 'owner') return this.#ownersOf(need.attribute).knows(need.value);
    if (need.kind === 'hasFacts') return this.#began || this.#hasFacts.has(need.attribute);
    const entity = this.#entities.get(need.entity);
    if (entity === undefined) return this.#entitiesComplete;
    return need.kind === 'entity' ? entity.based : entity.knowsLastTx(need.attribute);
  }

  /** Takes what the runs say; what the log said since stays on top. */
  load(answer: NeedAnswer): void {
    if ('owner' in answer) {
      const { attribute, value } = answer.need;
      this.#ownersOf(attribute).load(value, answer.owner);
      return;
    }
    if ('hasFacts' in answer) {
      const { attribute } = answer.need;
      if (!this.#hasFacts.has(attribute)) this.#hasFacts.set(attribute, answer.hasFacts);
      return;
    }
    const { entity: id } = answer.need;
    const entity = this.#entities.get(id) ?? this.#add(id, this.#entitiesComplete);
    const before = entity.bytes;
    if ('facts' in answer) entity.base(answer.facts);
    else entity.loadLastTx(answer.need.attribute, answer.tx);
    this.#memory.bytes += entity.bytes - before;
  }

  /** An attribute was defined, or became unique: it has no facts, and nobody holds a value of it. */
  begin(attribute: string): void {
    if (!this.#owners.has(attribute)) this.#owners.set(attribute, new Owners(true, this.#memory));
    if (!this.#hasFacts.has(attribute)) this.#hasFacts.set(attribute, false);
  }

  /**
   * Folds the facts of one transaction, in canonical order.
   * @param schema after them
   * @param isOwn made here: an entity that is not in memory was asked for and has no facts, or is new.
   *   In a replay it may have some in the runs.
   */
  fold(facts: readonly StoredFact[], schema: Schema, offset: number, isOwn: boolean): void {
    let entity: EntityState | undefined;
    let id = '';
    let bytes = 0;
    for (const fact of facts) {
      if (entity === undefined || fact.entity !== id) {
        id = fact.entity;
        entity = this.#entities.get(id) ?? this.#add(id, isOwn || this.#entitiesComplete);
        entity.used = true;
        entity.writtenAt = offset;
        this.#written++;
      }
      const before = entity.bytes;
      entity.fold(fact);
      bytes += entity.bytes - before;
      if (this.#hasFacts.get(fact.attribute) !== true) this.#hasFacts.set(fact.attribute, true);
      const definition = schema.attribute(fact.attribute);
      if (definition?.unique !== undefined && this.#ownersHere(definition))
        this.#ownersOf(fact.attribute).fold(fact, offset);
    }
    this.#memory.bytes += bytes;
  }

  /** The runs hold everything before `next` now. */
  indexed(next: LogOffset): void {
    assert(next >= this.#indexed, 'manifests go forward');
    this.#indexed = next;
  }

  /** The record folded as `from` turned out to lie at `to`: what it wrote is dirty until runs hold that. */
  moved(from: LogOffset, to: LogOffset): void {
    for (const entity of this.#entities.values())
      if (entity.writtenAt === from) entity.writtenAt = to;
    for (const owners of this.#owners.values()) owners.moved(from, to);
  }

  /** Drops clean entries beyond the budget. Never between loading what a step needs and the step. */
  trim(): void {
    const count = SWEPT_MIN + SWEPT_PER_WRITTEN * this.#written;
    this.#written = 0;
    if (this.bytes <= this.#bytesMax) return;
    const before = this.#entities.size;
    this.#sweepEntities(count);
    for (const owners of this.#owners.values()) {
      if (this.bytes <= this.#bytesMax) break;
      // Each table goes around as often as the entities do.
      const share = Math.ceil((count * owners.size) / Math.max(1, before));
      if (owners.sweep(share, this.#indexed)) this.#complete = false;
    }
  }

  #sweepEntities(count: number): void {
    for (let left = count; left > 0 && this.bytes > this.#bytesMax; left--) {
      this.#sweep ??= this.#entities.entries();
      const next = this.#sweep.next();
      if (next.done === true) {
        this.#sweep = undefined;
        return;
      }
      const [id, entity] = next.value;
      if (entity.used || entity.writtenAt >= this.#indexed) {
        entity.used = false;
        continue;
      }
      this.#entities.delete(id);
      this.#memory.bytes -= entity.bytes;
      this.#entitiesComplete = false;
      this.#complete = false;
    }
  }

  #add(id: string, whole: boolean): EntityState {
    const entity = new EntityState(id, whole);
    this.#entities.set(id, entity);
    this.#memory.bytes += entity.bytes;
    return entity;
  }

  #ownersOf(attribute: string): Owners {
    let owners = this.#owners.get(attribute);
    if (owners === undefined)
      this.#owners.set(attribute, (owners = new Owners(this.#began, this.#memory)));
    return owners;
  }
}
