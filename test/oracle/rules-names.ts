/** What temporary ids stand for. */
import {
  type Fact,
  type InputOperation,
  isTemporaryId,
  OWN_TX_ENTITY,
  PyralogError,
  txEntity,
} from '@pyralog/model';
import { type Given, type Reasons, textOf, typed } from './rules.ts';
import type { Definitions } from './rules-attributes.ts';

/** An identity value that a temporary id is to have. */
interface Claim {
  readonly id: string;
  readonly attribute: string;
  readonly text: string;
}

/**
 * Temporary ids with a common identity value are one entity, over others too; that which holds one of the values before
 * the transaction, else a new one.
 */
export class Names {
  readonly all: ReadonlyMap<string, string>;
  readonly #own: string;

  /**
   * @param known before the document
   * @param defined with its own definitions
   * @param reasons are added to where the values of one entity belong to two, or have another type
   */
  constructor(
    operations: readonly InputOperation[],
    inForce: readonly Fact[],
    known: Definitions,
    defined: Definitions,
    { tx, mint }: Given,
    reasons: Reasons,
  ) {
    this.#own = txEntity(tx);
    const claims = claimsOf(operations, defined, reasons);
    const ids = [
      ...new Set(
        operations
          .map(({ entity }) => entity)
          .filter((entity) => isTemporaryId(entity) && entity !== OWN_TX_ENTITY),
      ),
    ];
    const all = new Map<string, string>();
    groupsOf(ids, claims).forEach((group, ordinal) => {
      const holders = new Set<string>();
      for (const { id, attribute, text } of claims) {
        if (!group.includes(id) || known(attribute) === undefined) continue;
        for (const fact of inForce)
          if (fact.attribute === attribute && textOf(fact.value) === text) holders.add(fact.entity);
      }
      if (holders.size > 1)
        reasons.add(
          'unique-conflict',
          `The identity values of ${JSON.stringify(group[0])} belong to ${[...holders].map((each) => JSON.stringify(each)).join(' and ')}.`,
          { extra: { entity: group[0], entities: [...holders] } },
        );
      const [holder] = holders;
      const entity = holder ?? mint(group, ordinal);
      for (const id of group) all.set(id, entity);
    });
    this.all = new Map(ids.map((id) => [id, all.get(id) as string]));
  }

  /** @throws document-invalid for a temporary id that nothing is said about */
  entityOf(name: string): string {
    if (name === OWN_TX_ENTITY) return this.#own;
    if (!isTemporaryId(name)) return name;
    const entity = this.all.get(name);
    if (entity === undefined)
      throw new PyralogError('document-invalid', `No operation is about ${JSON.stringify(name)}.`);
    return entity;
  }
}

function claimsOf(
  operations: readonly InputOperation[],
  defined: Definitions,
  reasons: Reasons,
): Claim[] {
  return operations.flatMap((operation) => {
    if (operation.op !== 'assert') return [];
    const { entity: id, attribute } = operation;
    const rule = defined(attribute);
    if (!isTemporaryId(id) || id === OWN_TX_ENTITY || rule?.unique !== 'identity') return [];
    const value = reasons.try(() => typed(operation.value, rule));
    // A ref to what is new finds nothing.
    if (value === undefined || (value.type === 'ref' && isTemporaryId(value.value))) return [];
    return [{ id, attribute, text: textOf(value) }];
  });
}

/** Ids that are one entity, in the order of their first ids: joined until nothing more is to be joined. */
function groupsOf(ids: readonly string[], claims: readonly Claim[]): string[][] {
  let groups = ids.map((id) => [id]);
  for (const a of claims) {
    for (const b of claims) {
      if (a.attribute !== b.attribute || a.text !== b.text) continue;
      const one = groups.find((group) => group.includes(a.id)) as string[];
      const other = groups.find((group) => group.includes(b.id)) as string[];
      if (one === other) continue;
      groups = groups.filter((group) => group !== other);
      one.push(...other);
    }
  }
  return groups;
}
