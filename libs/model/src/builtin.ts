import { attributeEntity } from './entity.ts';
import type { AttributeDefinition } from './schema.ts';
import type { ValueType } from './value.ts';

/** The entity whose facts `db/strict` and `db/mode` are the settings of the database; on partition 0. */
export const SETTINGS_ENTITY: string = attributeEntity('db/settings');

/** Attributes of attribute entities begin so; the namespace is closed. */
export const DB_NAMESPACE = 'db/';
/** Attributes of transaction entities begin so; others than the built-in ones are inferred from their first use. */
export const TX_NAMESPACE = 'tx/';

/** Computed from the tx of every transaction, never stored, refused in input. */
export const TX_TIMESTAMP = 'tx/timestamp';
/** The idempotency key; written by the sequencer alone. */
export const TX_KEY = 'tx/key';
/** The content hash of a keyed document; written by the sequencer alone. */
export const TX_KEY_HASH = 'tx/keyHash';

/** What new ids were made of, in a transaction over partitions that made some; written by the sequencer alone. */
export const TX_START = 'tx/start';

/** What every database knows from the beginning, outside `strict`. Nothing about it can change. */
export const BUILT_IN: ReadonlyMap<string, AttributeDefinition> = new Map(
  [
    define('db/cardinality', 'string', 'How many values an entity has: "one" or "many".'),
    define('db/doc', 'string', 'What an attribute means, for people.'),
    define('db/ident', 'string', 'The name of an attribute.', { unique: 'identity', index: true }),
    define('db/index', 'bool', 'Whether the index by value lists an attribute.'),
    define('db/inferred', 'bool', 'Whether an attribute was declared by its first use.'),
    define(
      'db/mode',
      'string',
      'Whether the database takes history with its own times: "import" or "live".',
    ),
    define('db/strict', 'bool', 'Whether attributes must be defined before their first use.'),
    define(
      'db/unique',
      'string',
      'Whether a value belongs to one entity: "value", or "identity" to find it by.',
    ),
    define('db/valueType', 'string', 'The type of the values of an attribute.'),
    define('tx/author', 'string', 'Who made a transaction.', { index: true }),
    define(
      'tx/commit',
      'string',
      'The commit of a version control system that a transaction stands for.',
    ),
    define(TX_KEY, 'string', 'The idempotency key of a transaction.', {
      unique: 'value',
      index: true,
    }),
    define(TX_KEY_HASH, 'string', 'SHA-256 of what came with the idempotency key.'),
    define('tx/message', 'string', 'What a transaction does, in the words of its author.'),
    define('tx/reason', 'string', 'Why a transaction was made.'),
    define('tx/source', 'string', 'Where the facts of a transaction come from.'),
    define(
      TX_START,
      'int',
      'When a transaction over partitions began; its new ids are made of it.',
    ),
    define(TX_TIMESTAMP, 'instant', 'When a transaction was committed; computed from its tx.'),
  ].map((definition) => [definition.ident, definition]),
);

function define(
  ident: string,
  valueType: ValueType,
  doc: string,
  more: Partial<AttributeDefinition> = {},
): AttributeDefinition {
  return {
    ident,
    valueType,
    cardinality: 'one',
    unique: undefined,
    index: false,
    inferred: false,
    doc,
    ...more,
  };
}
