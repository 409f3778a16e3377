import { assert } from '@pyralog/base';
import {
  type InputOperation,
  isTemporaryId,
  mintEntity,
  OWN_TX_ENTITY,
  type PartitionNo,
  PyralogError,
  type Schema,
  type TransactionDocument,
  type Tx,
  txEntity,
  type StoredValue,
} from '@pyralog/model';
import type { ResolveContext } from './context.ts';
import { LongValues } from './long-values.ts';
import { quoted } from './refusals.ts';
import { type ValueKey, valueKey } from './value-set.ts';

/** An identity value that a temporary id is to have, and so may be found by. */
export interface IdentityClaim {
  readonly temporary: string;
  readonly attribute: string;
  readonly value: StoredValue;
}

/**
 * Which temporary ids of a document stand for one entity: those that claim the same identity value,
 * directly or over others (union-find). The ids of a document are the subjects of its operations.
 */
export class TemporaryGroups {
  readonly #parent = new Map<string, string>();
  readonly claims: readonly IdentityClaim[];

  /**
   * @param schema what is unique, the document's own definitions included
   * @throws type-mismatch
   */
  constructor(operations: readonly InputOperation[], schema: Schema, longValues: LongValues) {
    for (const { entity } of operations) {
      if (isTemporaryId(entity) && entity !== OWN_TX_ENTITY && !this.#parent.has(entity))
        this.#parent.set(entity, entity);
    }
    this.claims = this.#parent.size === 0 ? [] : identityClaims(operations, schema, longValues);
    const first = new Map<string, Map<ValueKey, string>>();
    for (const { temporary, attribute, value } of this.claims) {
      let holders = first.get(attribute);
      if (holders === undefined) first.set(attribute, (holders = new Map()));
      const key = valueKey(value);
      const other = holders.get(key);
      if (other === undefined) holders.set(key, temporary);
      else this.#parent.set(this.rootOf(temporary), this.rootOf(other));
    }
  }

  /** In order of appearance. */
  get ids(): Iterable<string> {
    return this.#parent.keys();
  }

  has(id: string): boolean {
    return this.#parent.has(id);
  }

  /** The id that stands for its group. */
  rootOf(id: string): string {
    let root = id;
    for (let up = this.#parent.get(root); up !== root; up = this.#parent.get(root)) {
      assert(up !== undefined, 'every temporary id of a document is in a group');
      root = up;
    }
    // Halves the way of the next search.
    for (let at = id; at !== root;) {
      const up = this.#parent.get(at) as string;
      this.#parent.set(at, root);
      at = up;
    }
    return root;
  }
}

function identityClaims(
  operations: readonly InputOperation[],
  schema: Schema,
  longValues: LongValues,
): IdentityClaim[] {
  const claims: IdentityClaim[] = [];
  for (const operation of operations) {
    if (operation.op !== 'assert') continue;
    const { entity: temporary, attribute } = operation;
    if (!isTemporaryId(temporary) || temporary === OWN_TX_ENTITY) continue;
    const definition = schema.attribute(attribute);
    if (definition?.unique !== 'identity') continue;
    const value = longValues.stored(operation.value, definition);
    // A ref to another new entity finds nothing.
    if (value.type === 'ref' && isTemporaryId(value.value)) continue;
    claims.push({ temporary, attribute, value });
  }
  return claims;
}

/** Where and when new entities are made. */
export interface Placement {
  readonly tx: Tx;
  readonly partition: PartitionNo;
  readonly partitions: number;
}

/** What names in a document stand for. */
export interface Names {
  /**
   * The entity that a name stands for.
   * @throws document-invalid for a temporary id that no operation is about
   */
  resolve(name: string): string;
  /** Whether an entity begins with this transaction, so that nothing of it is in force. */
  isNew(entity: string): boolean;
}

/**
 * What the temporary ids of one document become: the entity that holds an identity value of the group
 * in the state before (upsert), or a new one.
 */
export class TemporaryIds implements Names {
  readonly #groups: TemporaryGroups;
  readonly #tx: string;
  readonly #entities = new Map<string, string>();
  readonly #minted = new Set<string>();

  /**
   * @param holderOf the entity that has an identity value
   * @param isTaken whether an id that was minted is an entity's already: somebody guessed it
   * @throws unique-conflict where the identity values of one temporary id belong to two entities
   */
  constructor(
    groups: TemporaryGroups,
    { tx, partition, partitions }: Placement,
    holderOf: (claim: IdentityClaim) => string | undefined,
    isTaken: (entity: string) => boolean,
  ) {
    this.#tx = txEntity(tx);
    this.#groups = groups;
    for (const claim of groups.claims) {
      const holder = holderOf(claim);
      if (holder !== undefined) this.#settle(claim.temporary, holder);
    }
    const roots = new Set(Array.from(groups.ids, (id) => groups.rootOf(id)));
    let ordinal = -1;
    for (const root of roots) {
      // Found or made, each has its number: so the first result can be told again (firstIds).
      ordinal++;
      if (this.#entities.has(root)) continue;
      let minted: string;
      for (let number = ordinal; ; number += roots.size) {
        minted = mintEntity(root, tx, number, partition, partitions);
        if (!isTaken(minted)) break;
      }
      this.#entities.set(root, minted);
      this.#minted.add(minted);
    }
  }

  resolve(name: string): string {
    if (!isTemporaryId(name)) return name;
    if (name === OWN_TX_ENTITY) return this.#tx;
    if (this.#groups.has(name)) return this.#entities.get(this.#groups.rootOf(name)) as string;
    throw new PyralogError(
      'document-invalid',
      `The temporary id ${quoted(name)} is referred to, but no operation is about it.`,
      { hint: 'Assert something about it in the same document.' },
    );
  }

  isNew(entity: string): boolean {
    return entity === this.#tx || this.#minted.has(entity);
  }

  /** By temporary id, for the answer. */
  all(): ReadonlyMap<string, string> {
    const all = new Map<string, string>();
    for (const id of this.#groups.ids) all.set(id, this.resolve(id));
    return all;
  }

  #settle(temporary: string, owner: string): void {
    const root = this.#groups.rootOf(temporary);
    const known = this.#entities.get(root);
    if (known !== undefined && known !== owner) {
      throw new PyralogError(
        'unique-conflict',
        `The identity values of ${quoted(temporary)} belong to two entities, ${quoted(known)} and ${quoted(owner)}.`,
        { extra: { entity: temporary, entities: [known, owner] } },
      );
    }
    this.#entities.set(root, owner);
  }
}

/**
 * The temporary ids of a document that is resolved.
 * @param schema with the document's own definitions
 * @throws unique-conflict, type-mismatch
 */
export function temporaryIds(
  operations: readonly InputOperation[],
  schema: Schema,
  context: ResolveContext,
): TemporaryIds {
  const { state } = context;
  return new TemporaryIds(
    new TemporaryGroups(operations, schema, context.longValues),
    context,
    // Nobody holds a value of an attribute that begins here.
    ({ attribute, value }) =>
      context.schema.attribute(attribute) === undefined
        ? undefined
        : state.ownerOf(attribute, value),
    (entity) => state.mentions(entity),
  );
}

/**
 * What the temporary ids of a document became when it was committed, told again to who sends it a second
 * time. An identity value's holder right after that transaction is the entity that it was found by, or made with.
 */
export class FirstIds {
  readonly #groups: TemporaryGroups;

  /** @param schema right after the transaction */
  constructor({ operations }: TransactionDocument, schema: Schema) {
    this.#groups = new TemporaryGroups(operations, schema, new LongValues());
  }

  /** Whose holders right after the transaction must be known for {@link all}. */
  get claims(): readonly IdentityClaim[] {
    return this.#groups.claims;
  }

  /** By temporary id. */
  all(
    placement: Placement,
    holders: ReadonlyMap<IdentityClaim, string>,
  ): ReadonlyMap<string, string> {
    const ids = new TemporaryIds(
      this.#groups,
      placement,
      (claim) => holders.get(claim),
      () => false,
    );
    return ids.all();
  }
}
