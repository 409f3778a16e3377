import { formatNanos } from '@pyralog/model';
import { z } from 'zod';

/*
 * What answers and bodies look like, for /openapi.json. Answers are not checked by these when they are sent; the tests hold
 * every kind of answer against its schema.
 */

const TX = '1795526400000000000';
const TX_NEXT = '1795526460000000000';
const INSTANT = formatNanos(BigInt(TX));

const tx = z
  .string()
  .regex(/^(?:0|[1-9][0-9]{0,18})$/)
  .meta({
    id: 'Tx',
    description: 'Commit time and identity of a transaction: nanoseconds since 1970, in decimal.',
    examples: [TX],
  });
const instant = z
  .string()
  .meta({ description: 'The tx as RFC 3339 with nine decimals.', examples: [INSTANT] });
const next = z
  .string()
  .nullable()
  .meta({ description: '`cursor` of the next page; null on the last.' });

const valueSchema: z.ZodType = z
  .union([
    z.string(),
    z.boolean(),
    z.number(),
    z.strictObject({ int: z.string() }),
    z.strictObject({ double: z.string() }),
    z.strictObject({ instant: z.string() }),
    z.strictObject({ ref: z.string() }),
    z.strictObject({ bytes: z.string() }),
    z.strictObject({ json: z.unknown() }),
  ])
  .meta({
    id: 'Value',
    description:
      'A string, boolean or number stands for itself: an int has neither fraction nor exponent, a double always has one. Others say their type: `{"ref":"paper:1"}`, `{"instant":"2020-01-01T00:00:00Z"}`, `{"bytes":"aGk="}`, `{"json":{"any":["json"]}}`, `{"int":"9007199254740993"}` beyond 2^53 - 1, `{"double":"Infinity"}`.',
    examples: ['Alice', 5, { ref: 'paper:1' }],
  });

const valueOrValues = z.union([valueSchema, z.array(valueSchema)]);
const metaSchema = z.record(z.string(), valueOrValues).meta({
  description:
    'What was said about the transaction: facts `tx/author`, `tx/reason`, … on its entity, without `tx/`.',
  examples: [{ author: 'user:alice', reason: 'typo' }],
});

const factSchema: z.ZodType = z
  .strictObject({
    entity: z.string(),
    attribute: z.string(),
    value: valueSchema,
    type: z.enum(['bool', 'int', 'double', 'instant', 'string', 'ref', 'bytes', 'json']),
    tx,
    operation: z.enum(['assert', 'retract']),
  })
  .meta({
    id: 'Fact',
    description: 'One entry of the log.',
    examples: [
      {
        entity: 'paper:1',
        attribute: 'title',
        value: 'Relativity',
        type: 'string',
        tx: TX,
        operation: 'assert',
      },
    ],
  });

const EXAMPLE_FACT = {
  entity: 'paper:1',
  attribute: 'title',
  value: 'Relativity',
  type: 'string',
  tx: TX,
  operation: 'assert',
};

export const entitySchema: z.ZodType = z
  .strictObject({ entity: z.string(), basis: tx, attributes: z.record(z.string(), valueOrValues) })
  .meta({
    id: 'Entity',
    description:
      'The values in force. A many-attribute is an array in value order, even with one value.',
    examples: [
      { entity: 'paper:1', basis: TX, attributes: { author: ['Einstein'], title: 'Relativity' } },
    ],
  });

export const factsPageSchema: z.ZodType = z
  .strictObject({ basis: tx, facts: z.array(factSchema), next })
  .meta({ id: 'FactsPage', examples: [{ basis: TX, facts: [EXAMPLE_FACT], next: null }] });

export const historySchema: z.ZodType = z
  .strictObject({ entity: z.string(), basis: tx, facts: z.array(factSchema), next })
  .meta({
    id: 'History',
    description: 'Oldest first.',
    examples: [{ entity: 'paper:1', basis: TX, facts: [EXAMPLE_FACT], next: null }],
  });

export const transactionSchema: z.ZodType = z
  .strictObject({ tx, instant, meta: metaSchema, facts: z.array(factSchema) })
  .meta({
    id: 'Transaction',
    examples: [{ tx: TX, instant: INSTANT, meta: { author: 'user:alice' }, facts: [EXAMPLE_FACT] }],
  });

export const transactionsSchema: z.ZodType = z
  .strictObject({
    basis: tx,
    transactions: z.array(z.strictObject({ tx, instant, meta: metaSchema })),
    next,
  })
  .meta({
    id: 'Transactions',
    description: 'Newest first.',
    examples: [
      {
        basis: TX_NEXT,
        transactions: [{ tx: TX, instant: INSTANT, meta: { author: 'user:alice' } }],
        next: null,
      },
    ],
  });

export const diffSchema: z.ZodType = z
  .strictObject({ basis: tx, added: z.array(factSchema), removed: z.array(factSchema), next })
  .meta({
    id: 'Diff',
    description:
      'Facts in force at `to` but not at `from`, and the other way round. A page holds both kinds up to its last key.',
    examples: [{ basis: TX_NEXT, added: [EXAMPLE_FACT], removed: [], next: null }],
  });

export const schemaSchema: z.ZodType = z
  .strictObject({
    basis: tx,
    strict: z.boolean(),
    mode: z.enum(['import', 'live']),
    attributes: z.array(
      z.strictObject({
        ident: z.string(),
        valueType: z.enum(['bool', 'int', 'double', 'instant', 'string', 'ref', 'bytes', 'json']),
        cardinality: z.enum(['one', 'many']),
        unique: z.enum(['value', 'identity']).nullable(),
        index: z.boolean(),
        doc: z.string().nullable(),
        inferred: z.boolean().meta({ description: 'Declared by its first use.' }),
      }),
    ),
  })
  .meta({
    id: 'Schema',
    examples: [
      {
        basis: TX,
        strict: false,
        mode: 'live',
        attributes: [
          {
            ident: 'person/email',
            valueType: 'string',
            cardinality: 'many',
            unique: 'identity',
            index: true,
            doc: null,
            inferred: false,
          },
        ],
      },
    ],
  });

const millis = z.number().nonnegative();
const explanationSchema: z.ZodType = z
  .strictObject({
    partitions: z
      .array(z.int())
      .meta({ description: 'The coordinator, where it arrived, and then the others, rising.' }),
    attempts: z.int().meta({
      description: 'Those before the last gave way to other transactions, and began again.',
    }),
    millis: z
      .strictObject({
        publish: millis.meta({ description: 'Until it was in the input of its partition.' }),
        wait: millis.optional().meta({
          description:
            'In line behind others that use the same, and in attempts that gave way. Left out where it is not known, and a part of `commit`: of one partition in a cluster, and in import mode.',
        }),
        prepare: millis.optional().meta({
          description:
            'Asking the other partitions, until all had promised. Left out in import mode.',
        }),
        commit: millis.meta({ description: 'The rest, until it was durable and known.' }),
        total: millis,
      })
      .meta({ description: 'By stage, to a thousandth.' }),
  })
  .meta({
    id: 'Explanation',
    description:
      'Where the time of a commit went. With `explain=true`, and not of a duplicate, for which nothing was done.',
    examples: [
      {
        partitions: [2, 0],
        attempts: 1,
        millis: { publish: 0, wait: 0, prepare: 1.512, commit: 1.204, total: 2.716 },
      },
    ],
  });

export const commitSchema: z.ZodType = z
  .strictObject({
    tx,
    instant,
    facts: z.array(factSchema).optional(),
    ids: z.record(z.string(), z.string()).meta({ description: 'What temporary ids became.' }),
    duplicate: z
      .boolean()
      .meta({ description: 'The idempotency key was seen before: this is the first result.' }),
    explain: explanationSchema.optional(),
  })
  .meta({
    id: 'Commit',
    examples: [{ tx: TX, instant: INSTANT, facts: [EXAMPLE_FACT], ids: {}, duplicate: false }],
  });

export const databasesSchema: z.ZodType = z
  .strictObject({ databases: z.array(z.string()) })
  .meta({ id: 'Databases', examples: [{ databases: ['main'] }] });

export const statusSchema: z.ZodType = z
  .strictObject({
    database: z.string(),
    id: z.string(),
    mode: z.enum(['import', 'live']),
    strict: z.boolean(),
    version: z.string(),
    durable: z.boolean().meta({ description: 'Whether anything is kept when the process ends.' }),
    partitions: z.array(
      z.strictObject({
        partition: z.int(),
        epoch: z.int(),
        owner: z.string(),
        logEnd: z.int().meta({ description: 'Next offset of the commit log.' }),
        indexed: z
          .int()
          .meta({ description: 'Offset up to which segments and indexes are written.' }),
        closed: tx,
        liveFacts: z.int().meta({ description: 'Facts that only the log and memory hold so far.' }),
        manifest: z.int(),
        runs: z.int(),
        open: z
          .array(
            z.strictObject({
              coordinator: z.int(),
              offset: z.int().meta({ description: 'Of its document in the input there.' }),
              since: z.string().meta({ description: 'RFC 3339.' }),
              role: z.enum(['coordinator', 'participant']),
            }),
          )
          .meta({
            description:
              'Transactions over partitions that are not over, the oldest 10. One that stays waits for a partition without a sequencer.',
          }),
        troubles: z
          .array(
            z.strictObject({
              part: z.enum(['log', 'index']),
              code: z.string(),
              detail: z.string(),
              since: z.string().meta({ description: 'RFC 3339.' }),
            }),
          )
          .meta({ description: 'What does not work at the moment; empty while all is well.' }),
      }),
    ),
    bytes: z.record(z.string(), z.int()).meta({ description: 'Stored bytes by kind.' }),
  })
  .meta({ id: 'Status' });

export const healthSchema: z.ZodType = z
  .strictObject({ status: z.enum(['ok', 'not-ready', 'stopping']), reasons: z.array(z.string()) })
  .meta({ id: 'Health', examples: [{ status: 'ok', reasons: [] }] });

export const feedEventSchema: z.ZodType = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('transaction'),
      offset: z.string(),
      tx,
      instant,
      meta: metaSchema,
      facts: z.array(factSchema),
    }),
    z.strictObject({ kind: z.literal('progress'), offset: z.string(), tx, upToDate: z.boolean() }),
  ])
  .meta({
    id: 'FeedEvent',
    description: 'A whole transaction, or how far the feed is. `offset` goes on behind it.',
    examples: [
      {
        kind: 'transaction',
        offset: 'AAI…',
        tx: TX,
        instant: INSTANT,
        meta: { author: 'user:alice' },
        facts: [EXAMPLE_FACT],
      },
    ],
  });

export const problemSchema: z.ZodType = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string().meta({ description: 'Says which error it is; does not change.' }),
    category: z.enum([
      'incorrect',
      'conflict',
      'unsupported',
      'not-found',
      'forbidden',
      'busy',
      'unavailable',
      'interrupted',
      'fault',
    ]),
    detail: z.string().meta({ description: 'What is wrong with this request.' }),
    hint: z.string().optional().meta({ description: 'What to do about it.' }),
  })
  .meta({
    id: 'Problem',
    description: 'An error (RFC 9457). Further fields depend on the code.',
    examples: [
      {
        type: 'urn:pyralog:error:cas-failed',
        title: 'The value is not the expected one',
        status: 409,
        code: 'cas-failed',
        category: 'conflict',
        detail: 'The value of "balance" of "account:1" is 7, not 5.',
      },
    ],
  });

const EXAMPLE_DOCUMENTS = {
  'map form': {
    summary: 'Facts about an entity; an array is many values, null retracts',
    value: {
      meta: { author: 'user:alice', reason: 'first draft' },
      ops: [{ entity: 'paper:1', title: 'Relativity', author: ['Einstein'], status: null }],
    },
  },
  operations: {
    summary: 'Single operations',
    value: {
      ops: [
        { op: 'assert', entity: 'paper:1', attribute: 'title', value: 'Relativity' },
        { op: 'retract', entity: 'paper:1', attribute: 'status' },
        { op: 'retractEntity', entity: 'paper:9' },
        { op: 'cas', entity: 'account:1', attribute: 'balance', old: 5, new: 4 },
      ],
    },
  },
  conditions: {
    summary: 'Only if nobody was faster, and only once',
    value: {
      id: 'order-4711',
      if: [
        { entity: 'account:1', attribute: 'balance', is: 5 },
        { entity: 'account:1', unchangedSince: TX },
      ],
      ops: [{ entity: 'account:1', balance: 4 }],
    },
  },
  'new entities': {
    summary: 'Temporary ids become new entities; the answer says which',
    value: {
      ops: [
        { entity: '_:person:alice', 'person/name': 'Alice' },
        { entity: 'paper:1', author: { ref: '_:person:alice' } },
      ],
    },
  },
  schema: {
    summary: 'Define an attribute',
    value: {
      ops: [
        {
          entity: 'attribute:person/email',
          'db/ident': 'person/email',
          'db/valueType': 'string',
          'db/cardinality': 'many',
          'db/unique': 'identity',
        },
      ],
    },
  },
};

export const documentSchema: z.ZodType = z
  .strictObject({
    id: z.string().optional().meta({
      description:
        'Idempotency key: the same key and content answers with the first result; other content is refused.',
    }),
    meta: z
      .record(z.string(), z.unknown())
      .optional()
      .meta({ description: 'Facts about the transaction: who, why, from where.' }),
    if: z
      .array(z.record(z.string(), z.unknown()))
      .optional()
      .meta({ description: 'What must hold before it: `is`, `absent` or `unchangedSince`.' }),
    ops: z.array(z.record(z.string(), z.unknown())).meta({
      description:
        'Operations. All see the state before the transaction; their order has no meaning.',
    }),
    at: z.string().optional().meta({ description: 'Commit time, RFC 3339; in import mode only.' }),
  })
  .meta({ description: 'Commits whole or not at all.', 'x-examples': EXAMPLE_DOCUMENTS });

export const createSchema: z.ZodType<{
  partitions?: number | undefined;
  strict?: boolean | undefined;
  mode?: 'import' | 'live' | undefined;
}> = z
  .strictObject({
    partitions: z
      .int('This is not a whole number from 1 to 64.')
      .min(1, 'This is not a whole number from 1 to 64.')
      .max(64, 'This is not a whole number from 1 to 64.')
      .optional()
      .meta({
        description:
          'How many sequencers can write at once. Fixed for good. Default: 8 in a cluster, else 1.',
      }),
    strict: z
      .boolean('This is neither true nor false.')
      .optional()
      .meta({ description: 'Refuse attributes that were not defined; default false.' }),
    mode: z.enum(['import', 'live'], 'This is neither import nor live.').optional().meta({
      description:
        '`import`: transactions may carry their own times (`at`), until `POST …/live`. Default `live`.',
    }),
  })
  .meta({
    'x-examples': {
      live: { summary: 'With the default settings', value: {} },
      import: { summary: 'For history with its own times', value: { mode: 'import' } },
    },
  });
