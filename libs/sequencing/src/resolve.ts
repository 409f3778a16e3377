import { assert } from '@pyralog/base';
import { type Rejection, TABLE_ATTRIBUTES_MAX } from '@pyralog/format';
import {
  compareCanonical,
  definitionFacts,
  type StoredFact,
  FACTS_MAX,
  type InputOperation,
  isPyralogError,
  OWN_TX_ENTITY,
  PyralogError,
  type Schema,
  type TransactionDocument,
  type Tx,
  TX_KEY,
  TX_KEY_HASH,
  txOfEntity,
} from '@pyralog/model';
import { Attributes } from './attributes.ts';
import { Changes } from './changes.ts';
import { checkCondition } from './conditions.ts';
import type { ResolveContext } from './context.ts';
import { define, isDefinition, schemaAfter } from './definitions.ts';
import { quoted } from './refusals.ts';
import { temporaryIds } from './temporary-ids.ts';
import { checkUnique } from './unique.ts';
import { hasValue } from './value-set.ts';

export type Resolution =
  | {
      readonly kind: 'commit';
      /** In canonical order: entity, attribute, retracts before asserts, value. */
      readonly facts: readonly StoredFact[];
      /** After the transaction; the same reference where it changes nothing. */
      readonly schema: Schema;
      readonly ids: ReadonlyMap<string, string>;
    }
  | { readonly kind: 'rejected'; readonly rejection: Rejection };

/**
 * Resolves one document against the state before it (design section 3): every operation sees that
 * state, order has no meaning, and the result is the facts to write, or why not. What `needs.ts` asks for
 * must be in memory.
 */
export function resolve(document: TransactionDocument, context: ResolveContext): Resolution {
  try {
    return resolveOrThrow(document, context);
  } catch (error) {
    return { kind: 'rejected', rejection: rejectionOf(error) };
  }
}

/** @throws what is no operating error */
export function rejectionOf(error: unknown): Rejection {
  if (!isPyralogError(error)) throw error;
  const { code, message: detail, hint, extra } = error;
  return { code, detail, hint, extra };
}

/**
 * The transaction that had the document's idempotency key before.
 * @throws key-reused where its content was another
 */
export function firstWithKey(
  { id, contentHash }: TransactionDocument,
  { state }: Pick<ResolveContext, 'state'>,
): Tx | undefined {
  if (id === undefined) return undefined;
  const owner = state.ownerOf(TX_KEY, { type: 'string', value: id });
  if (owner === undefined) return undefined;
  const tx = txOfEntity(owner);
  assert(tx !== undefined, 'a key belongs to a transaction');
  const hash = state.entity(owner).held(TX_KEY_HASH);
  if (hasValue(hash, { type: 'string', value: contentHash })) return tx;
  throw new PyralogError(
    'key-reused',
    `The id ${quoted(id)} was used by transaction ${tx} with other content.`,
    {
      hint: 'Give every transaction an id of its own; the same id is for sending the same transaction again.',
      extra: { tx: String(tx) },
    },
  );
}

function resolveOrThrow(document: TransactionDocument, context: ResolveContext): Resolution {
  for (const condition of document.conditions) checkCondition(condition, context);
  const defined = define(document.operations, context);
  const data = document.operations.some(isDefinition)
    ? document.operations.filter((operation) => !isDefinition(operation))
    : document.operations;
  const operations = withMeta(data, document);
  const temporary = temporaryIds(operations, defined.schema, context);
  const attributes = new Attributes(defined.schema, operations);
  const changes = new Changes(context, attributes, temporary);
  changes.collect(operations);
  if (document.id !== undefined)
    claimKey(OWN_TX_ENTITY, document.id, document.contentHash, changes);
  const written = changes.facts();
  checkUnique(written, attributes, context);
  const inferred = inferredFacts(attributes, context);
  const facts = merged(written, defined.facts, inferred);
  checkSize(facts);
  return {
    kind: 'commit',
    facts,
    schema: inferred.length === 0 ? defined.schema : schemaAfter(defined.schema, inferred, context),
    ids: temporary.all(),
  };
}

/** @param entity of the transaction */
export function claimKey(entity: string, id: string, contentHash: string, changes: Changes): void {
  const text = (value: string) => ({ value: { type: 'string', value }, plain: false }) as const;
  changes.assert(entity, TX_KEY, text(id));
  changes.assert(entity, TX_KEY_HASH, text(contentHash));
}

/** Operations, and those that its meta stands for. */
export function withMeta(
  operations: readonly InputOperation[],
  { meta }: TransactionDocument,
): readonly InputOperation[] {
  if (meta.length === 0) return operations;
  return [
    ...operations,
    ...meta.map((said) => ({ op: 'assert', entity: OWN_TX_ENTITY, ...said }) as const),
  ];
}

/** The definitions that first uses make. @throws attribute-invalid */
function inferredFacts(attributes: Attributes, context: ResolveContext): readonly StoredFact[] {
  const facts: StoredFact[] = [];
  for (const definition of attributes.inferred) {
    for (const said of definitionFacts(definition)) {
      facts.push({ ...said, tx: context.tx, operation: 'assert' });
    }
  }
  return facts;
}

function merged(
  data: readonly StoredFact[],
  defined: readonly StoredFact[],
  inferred: readonly StoredFact[],
): readonly StoredFact[] {
  if (defined.length === 0 && inferred.length === 0) return data;
  return inCanonicalOrder([...data, ...defined, ...inferred]);
}

/** Facts of one transaction by entity, attribute, retracts before asserts, value. */
export function inCanonicalOrder(facts: StoredFact[]): StoredFact[] {
  return facts.sort(compareCanonical);
}

/** Distinct attributes of one record of the log. */
const RECORD_ATTRIBUTES_MAX = TABLE_ATTRIBUTES_MAX;

/** @throws transaction-too-large */
export function checkSize(facts: readonly StoredFact[]): void {
  if (facts.length > FACTS_MAX) {
    throw new PyralogError(
      'transaction-too-large',
      `The transaction would write ${facts.length} facts, definitions included; the limit is ${FACTS_MAX}.`,
      {
        hint: 'Split it into several transactions.',
        extra: { limit: FACTS_MAX, given: facts.length },
      },
    );
  }
  if (facts.length <= RECORD_ATTRIBUTES_MAX) return;
  const attributes = new Set(facts.map(({ attribute }) => attribute)).size;
  if (attributes <= RECORD_ATTRIBUTES_MAX) return;
  throw new PyralogError(
    'transaction-too-large',
    `The transaction would write facts of ${attributes} attributes; the limit is ${RECORD_ATTRIBUTES_MAX}.`,
    {
      hint: 'Split it into several transactions. Names that are data belong into values or entities.',
      extra: { limit: RECORD_ATTRIBUTES_MAX, given: attributes },
    },
  );
}
