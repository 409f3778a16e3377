import {
  BUILT_IN,
  DB_NAMESPACE,
  SETTINGS_ENTITY,
  TX_KEY,
  TX_KEY_HASH,
  TX_START,
  TX_NAMESPACE,
  TX_TIMESTAMP,
} from './builtin.ts';
import { coerceValue } from './coerce.ts';
import type { InputValue } from './document.ts';
import { invalid } from './document-fields.ts';
import { checkAttribute, identOfEntity, OWN_TX_ENTITY, TX_ENTITY_PREFIX } from './entity.ts';
import { PyralogError } from './errors.ts';
import { shortened } from './json-print.ts';
import { nearestName } from './nearest.ts';
import { checkDefinable, checkSchemaValue } from './schema-change.ts';

/*
 * What is kept for the database itself:
 *
 * - `db/*` is a closed set of attributes and stands on `attribute:…` entities only, which have no others;
 *   settings stand on `attribute:db/settings` and are replaced, never retracted.
 * - `tx/*` stands on transaction entities only. `tx/timestamp` is computed; `tx/key` and `tx/keyHash` are written
 *   for an `id`, and were they retracted or forged, the key would no longer protect from a second copy.
 * - A transaction or an attribute is not retracted whole.
 */

/** Whether rules apply to an attribute wherever it stands. */
export function isReservedAttribute(attribute: string): boolean {
  return attribute.startsWith(DB_NAMESPACE) || attribute.startsWith(TX_NAMESPACE);
}

/** `tx/author` of `author`, `tx/author` or `:tx/author`. @throws document-invalid for other namespaces, attribute-invalid */
export function metaAttribute(written: string): string {
  const name = checkAttribute(written);
  if (!name.includes('/')) return TX_NAMESPACE + name;
  if (name.startsWith(TX_NAMESPACE)) return name;
  throw invalid(
    'Meta facts are about the transaction: their attributes begin with "tx/", or are written without a namespace.',
    `Other facts about it are operations on the entity "${OWN_TX_ENTITY}".`,
  );
}

/** @throws document-invalid for what writers cannot set, type-mismatch */
export function checkMetaValue(attribute: string, value: InputValue): InputValue {
  checkTxAttribute(attribute);
  const builtIn = BUILT_IN.get(attribute);
  if (builtIn !== undefined) coerceValue(value, builtIn);
  return value;
}

/**
 * Whether an operation may touch (entity, attribute) at all.
 * @throws document-invalid, attribute-invalid, schema-invalid
 */
export function checkWritable(entity: string, attribute: string): void {
  const ident = identOfEntity(entity);
  if (attribute.startsWith(DB_NAMESPACE)) {
    checkDbAttribute(entity, ident, attribute);
  } else if (ident !== undefined) {
    throw invalid(
      `Attribute entities have attributes of "db/" only, not ${quoted(attribute)}.`,
      'What is to be said of an attribute for people is its db/doc.',
    );
  } else if (attribute.startsWith(TX_NAMESPACE)) {
    checkTxAttribute(attribute);
    if (entity === OWN_TX_ENTITY || entity.startsWith(TX_ENTITY_PREFIX)) return;
    throw invalid(
      `The attribute ${quoted(attribute)} is kept for transactions and cannot stand on ${quoted(entity)}.`,
      `The entity of this transaction is "${OWN_TX_ENTITY}"; its facts are most easily written as "meta".`,
    );
  }
}

function checkDbAttribute(entity: string, ident: string | undefined, attribute: string): void {
  if (!BUILT_IN.has(attribute)) {
    const names = [...BUILT_IN.keys()].filter((name) => name.startsWith(DB_NAMESPACE));
    const nearest = nearestName(attribute, names);
    throw new PyralogError(
      'attribute-invalid',
      `There is no attribute ${quoted(attribute)}: names in "db/" are built in.`,
      {
        hint:
          nearest === undefined ? `They are ${names.join(', ')}.` : `Did you mean "${nearest}"?`,
      },
    );
  }
  if (ident === undefined)
    throw invalid(
      `The attribute ${attribute} is about attributes and cannot stand on ${quoted(entity)}.`,
      'The entity of the attribute person/name is "attribute:person/name".',
    );
  const isSetting = attribute === 'db/strict' || attribute === 'db/mode';
  if (entity === SETTINGS_ENTITY) {
    if (isSetting) return;
    throw invalid(
      `The settings ${quoted(SETTINGS_ENTITY)} have db/strict and db/mode, not ${attribute}.`,
    );
  }
  checkDefinable(ident);
  if (isSetting)
    throw invalid(
      `The setting ${attribute} cannot stand on ${quoted(entity)}.`,
      `Settings stand on "${SETTINGS_ENTITY}".`,
    );
}

function checkTxAttribute(attribute: string): void {
  if (attribute === TX_TIMESTAMP)
    throw invalid(
      `${TX_TIMESTAMP} is computed from the tx of every transaction and cannot be written.`,
      'In import mode "at" asks for a commit time.',
    );
  if (attribute === TX_KEY || attribute === TX_KEY_HASH)
    throw invalid(
      `${attribute} is written for idempotency keys and cannot be set.`,
      'The key of a document is its "id".',
    );
  if (attribute === TX_START)
    throw invalid(
      `${TX_START} is written for new ids of transactions over partitions and cannot be set.`,
    );
}

/**
 * Checks a value that is to be asserted for a reserved attribute, whose definition nothing can change.
 * @throws type-mismatch, schema-invalid
 */
export function checkReservedValue(entity: string, attribute: string, value: InputValue): void {
  const builtIn = BUILT_IN.get(attribute);
  if (builtIn !== undefined) checkSchemaValue(entity, attribute, coerceValue(value, builtIn));
}

/** @throws document-invalid */
export function checkRetractable(entity: string): void {
  if (entity === SETTINGS_ENTITY)
    throw invalid('A setting is replaced by another value, not retracted.');
}

/** @throws document-invalid, schema-change-refused */
export function checkEntityRetractable(entity: string): void {
  if (entity === OWN_TX_ENTITY || entity.startsWith(TX_ENTITY_PREFIX))
    throw invalid(
      'The entity of a transaction is not retracted whole.',
      'Single facts about it can be retracted.',
    );
  checkRetractable(entity);
  if (identOfEntity(entity) === undefined) return;
  throw new PyralogError(
    'schema-change-refused',
    `The attribute of ${quoted(entity)} cannot be removed.`,
    { hint: 'The past needs its definition. Its facts can be retracted.' },
  );
}

function quoted(text: string): string {
  return JSON.stringify(shortened(text));
}
