import { assert, hasLoneSurrogate, utf8Encode, utf8Length } from '@pyralog/base';
import { PyralogError } from './errors.ts';
import { shortened } from './json-print.ts';
import { NAME_BYTES_MAX } from './limits.ts';
import { murmur2 } from './murmur2.ts';
import {
  type PartitionNo,
  parseTx,
  partitionNo,
  partitionOfTx,
  PARTITIONS_MAX,
  type Tx,
} from './tx.ts';

/** Begins the ids of transaction entities: `tx:<tx in decimal>`. */
export const TX_ENTITY_PREFIX = 'tx:';
/** Begins the ids of attribute entities: `attribute:<ident>`. */
export const ATTRIBUTE_ENTITY_PREFIX = 'attribute:';
/**
 * Begins the entities by which partitions keep who holds a unique value. They are in no answer, and nobody writes about
 * them.
 */
export const CLAIM_ENTITY_PREFIX = 'db:claim:';
/** Begins temporary ids, which live inside one document. */
export const TEMPORARY_PREFIX = '_:';
/** Stands in a document for the entity of its own transaction. */
export const OWN_TX_ENTITY = '_:tx';

/** The entity that a transaction's provenance is about. */
export function txEntity(tx: Tx): string {
  return TX_ENTITY_PREFIX + tx.toString();
}

/** The tx that an entity id stands for; undefined where it is not a transaction entity. */
export function txOfEntity(entity: string): Tx | undefined {
  return entity.startsWith(TX_ENTITY_PREFIX)
    ? parseTx(entity.slice(TX_ENTITY_PREFIX.length))
    : undefined;
}

/** The entity that an attribute's definition is about. */
export function attributeEntity(ident: string): string {
  return ATTRIBUTE_ENTITY_PREFIX + ident;
}

/** The ident that an attribute entity defines; undefined for other entities. */
export function identOfEntity(entity: string): string | undefined {
  return entity.startsWith(ATTRIBUTE_ENTITY_PREFIX)
    ? entity.slice(ATTRIBUTE_ENTITY_PREFIX.length)
    : undefined;
}

/** Whether an entity is a claim of a unique value. */
export function isClaimEntity(entity: string): boolean {
  return entity.startsWith(CLAIM_ENTITY_PREFIX);
}

/**
 * Whether facts about an entity that a partition keeps are in answers. Claims of unique values never are, and copies of the
 * schema outside its home neither.
 */
export function isVisible(entity: string, partition: PartitionNo): boolean {
  if (entity.startsWith(ATTRIBUTE_ENTITY_PREFIX)) return partition === 0;
  return !isClaimEntity(entity);
}

/** Whether an id as written stands for a new entity: `_:x`. */
export function isTemporaryId(entity: string): boolean {
  return entity.startsWith(TEMPORARY_PREFIX);
}

/**
 * Checks an entity id: 1 to 1,024 bytes of UTF-8, any characters (paths of files have line feeds), but
 * `tx:` is followed by a tx, `attribute:` by an attribute of up to 1,024 bytes, and temporary ids are none.
 * @throws entity-invalid
 */
export function checkEntity(entity: string): string {
  checkText(entity, 'entity-invalid', 'An entity id');
  switch (entity.charCodeAt(0)) {
    case 0x5f:
      if (isTemporaryId(entity)) {
        throw new PyralogError(
          'entity-invalid',
          `${quoted(entity)} is a temporary id, which has a meaning inside a transaction only.`,
        );
      }
      break;
    case 0x74:
      if (entity.startsWith(TX_ENTITY_PREFIX) && txOfEntity(entity) === undefined) {
        throw new PyralogError(
          'entity-invalid',
          `${quoted(entity)} is not a transaction entity: after "tx:" stands a tx in decimal.`,
          {
            hint: 'Ids that begin with "tx:" are kept for transactions; take another prefix.',
          },
        );
      }
      break;
    case 0x64:
      if (isClaimEntity(entity)) {
        throw new PyralogError(
          'entity-invalid',
          `${quoted(entity)} is not an entity: ids that begin with "${CLAIM_ENTITY_PREFIX}" are kept for unique values.`,
          { hint: 'Take another prefix.' },
        );
      }
      break;
    case 0x61:
      if (entity.startsWith(ATTRIBUTE_ENTITY_PREFIX)) checkAttributeEntity(entity);
      break;
    default:
  }
  return entity;
}

function checkAttributeEntity(entity: string): void {
  const ident = entity.slice(ATTRIBUTE_ENTITY_PREFIX.length);
  if (ident !== '' && !ident.startsWith(':') && !CONTROL.test(ident)) return;
  throw new PyralogError(
    'entity-invalid',
    `${quoted(entity)} is not an attribute entity: after "attribute:" stands an attribute, without a colon.`,
    {
      hint: 'Ids that begin with "attribute:" are kept for the schema; take another prefix.',
    },
  );
}

/** Characters of a prefix that leave room for what {@link mintEntity} appends. */
const MINTED_BYTES_MAX = 34;

/**
 * Checks a temporary id: `_:name`, or `_:prefix:name` for an id that is to begin with `prefix:`.
 * @throws entity-invalid
 */
export function checkTemporaryId(entity: string): string {
  checkText(entity, 'entity-invalid', 'A temporary id');
  if (entity === OWN_TX_ENTITY) return entity;
  const refuse = (problem: string, hint?: string): never => {
    throw new PyralogError(
      'entity-invalid',
      `${quoted(entity)} is not a temporary id: ${problem}.`,
      { hint },
    );
  };
  const prefix = prefixOfTemporaryId(entity);
  if (entity.length === TEMPORARY_PREFIX.length || entity.endsWith(':'))
    refuse('its name is empty', 'Write "_:name", or "_:prefix:name".');
  if (prefix === undefined) return entity;
  if (prefix === '') refuse('its prefix is empty', 'Write "_:name", or "_:prefix:name".');
  if (reservedPrefix(prefix)) refuse('new ids cannot begin with "tx:", "attribute:" or "_:"');
  if (prefix.includes('{'))
    refuse(
      'a prefix has no "{"',
      'The tag decides where the entity lies, so choose its whole id yourself.',
    );
  if (utf8Length(prefix) > NAME_BYTES_MAX - MINTED_BYTES_MAX)
    refuse(`its prefix has more than ${NAME_BYTES_MAX - MINTED_BYTES_MAX} bytes`);
  return entity;
}

function reservedPrefix(prefix: string): boolean {
  const text = `${prefix}:`;
  return (
    text.startsWith(TX_ENTITY_PREFIX) ||
    text.startsWith(ATTRIBUTE_ENTITY_PREFIX) ||
    text.startsWith(TEMPORARY_PREFIX)
  );
}

/** `person` of `_:person:alice`; undefined of `_:alice`. */
export function prefixOfTemporaryId(entity: string): string | undefined {
  assert(isTemporaryId(entity), 'not a temporary id');
  const colon = entity.lastIndexOf(':');
  return colon < TEMPORARY_PREFIX.length ? undefined : entity.slice(TEMPORARY_PREFIX.length, colon);
}

/** Checks an entity id or a temporary one. @throws entity-invalid */
export function checkEntityOrTemporary(entity: string): string {
  return isTemporaryId(entity) ? checkTemporaryId(entity) : checkEntity(entity);
}

// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/**
 * The name of an attribute without a leading colon: 1 to 1,024 bytes of UTF-8 without control characters,
 * since names are columns, patterns and fields of metrics.
 * @throws attribute-invalid
 */
export function checkAttribute(written: string): string {
  const attribute = written.charCodeAt(0) === 0x3a ? written.slice(1) : written;
  checkText(attribute, 'attribute-invalid', 'An attribute');
  if (attribute.charCodeAt(0) === 0x3a)
    throw new PyralogError(
      'attribute-invalid',
      `${quoted(written)} begins with more than one colon.`,
    );
  if (CONTROL.test(attribute))
    throw new PyralogError(
      'attribute-invalid',
      `The attribute ${quoted(attribute)} has a control character.`,
    );
  return attribute;
}

/** At most this many UTF-16 units are within the limit whatever they are. */
const SURELY_SHORT = Math.floor(NAME_BYTES_MAX / 3);

function checkText(text: string, code: 'entity-invalid' | 'attribute-invalid', what: string): void {
  if (text.length === 0) throw new PyralogError(code, `${what} is empty.`);
  if (hasLoneSurrogate(text))
    throw new PyralogError(code, `${what} has half of a surrogate pair, which no UTF-8 can hold.`);
  if (text.length <= SURELY_SHORT) return;
  // Every attribute has an entity, so the longest one as well.
  const isAttribute = code === 'entity-invalid' && text.startsWith(ATTRIBUTE_ENTITY_PREFIX);
  const limit = NAME_BYTES_MAX + (isAttribute ? ATTRIBUTE_ENTITY_PREFIX.length : 0);
  const bytes = utf8Length(text);
  if (bytes <= limit) return;
  throw new PyralogError(
    code,
    `${what} has ${bytes} bytes: ${quoted(text)}. The limit is ${limit} bytes.`,
    {
      extra: { limit, given: bytes },
    },
  );
}

function quoted(text: string): string {
  return JSON.stringify(shortened(text));
}

/**
 * The partition that an entity lies on, for good: `tx:…` by the low bits of the tx, `attribute:…` on 0, others by
 * Kafka's default partitioner over the {tag} or the whole id, so that a producer's key arrives at the right place.
 * @param partitions number of partitions of the database
 */
export function partitionOf(entity: string, partitions: number): PartitionNo {
  assert(
    Number.isInteger(partitions) && partitions >= 1 && partitions <= PARTITIONS_MAX,
    `number of partitions out of range: ${partitions}`,
  );
  if (partitions === 1) return partitionNo(0);
  if (entity.startsWith(ATTRIBUTE_ENTITY_PREFIX)) return partitionNo(0);
  const tx = txOfEntity(entity);
  if (tx !== undefined) return partitionNo(partitionOfTx(tx) % partitions);
  return partitionNo((murmur2(utf8Encode(routedPart(entity))) & 0x7fffffff) % partitions);
}

/** What stands between the first `{` and the next `}`, if anything does, else all: as Redis Cluster's hash tags. */
function routedPart(entity: string): string {
  const open = entity.indexOf('{');
  if (open < 0) return entity;
  const close = entity.indexOf('}', open + 1);
  return close > open + 1 ? entity.slice(open + 1, close) : entity;
}
