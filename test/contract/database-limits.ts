import { utf8Encode } from '@pyralog/base';
import type { DatabaseHost } from '@pyralog/client';
import { type ErrorCode, isPyralogError } from '@pyralog/model';
import { describe, expect, test } from 'vitest';
import { create } from './database-support.ts';

interface Limit {
  readonly what: string;
  readonly limit: number;
  readonly code: ErrorCode;
  /** A document with so much of it. */
  readonly document: (count: number) => string;
}

const times = (text: string, count: number): string => Array(count).fill(text).join();
const long = (bytes: number): string => 'é'.repeat(bytes >> 1) + 'x'.repeat(bytes & 1);
const EMPTY = '{"ops":[]}';

const LIMITS: readonly Limit[] = [
  {
    what: 'operations',
    limit: 100_000,
    code: 'transaction-too-large',
    document: (count) => `{"ops":[${times('{"op":"retractEntity","entity":"a"}', count)}]}`,
  },
  {
    what: 'conditions',
    limit: 100_000,
    code: 'transaction-too-large',
    document: (count) => `{"if":[${times('{"entity":"a","absent":true}', count)}],"ops":[]}`,
  },
  {
    what: 'bytes of a document',
    limit: 64 * 1024 * 1024,
    code: 'transaction-too-large',
    document: (bytes) => EMPTY + ' '.repeat(bytes - EMPTY.length),
  },
  {
    what: 'bytes of a value',
    limit: 16 * 1024 * 1024,
    code: 'value-too-large',
    document: (bytes) => `{"ops":[{"entity":"a","text":"${long(bytes)}"}]}`,
  },
  {
    what: 'bytes of an entity',
    limit: 1_024,
    code: 'entity-invalid',
    document: (bytes) => `{"ops":[{"entity":"${long(bytes)}","n":1}]}`,
  },
  {
    what: 'bytes of an attribute',
    limit: 1_024,
    code: 'attribute-invalid',
    document: (bytes) => `{"ops":[{"entity":"a","${long(bytes)}":1}]}`,
  },
  {
    what: 'bytes of an idempotency key',
    limit: 1_024,
    code: 'document-invalid',
    document: (bytes) => `{"id":"${long(bytes)}","ops":[]}`,
  },
];

/** Each limit at the limit and one above, where an error says the limit. */
export function limitContract(name: string, make: () => Promise<DatabaseHost>): void {
  describe(`${name} has limits`, () => {
    test.each(LIMITS)('$what: $limit are taken, one more is $code', async ({ limit, ...row }) => {
      await using host = await make();
      const database = await create(host);
      const { tx } = await database.transact(utf8Encode(row.document(limit)));
      const error = await database.transact(utf8Encode(row.document(limit + 1))).then(
        () => expect.unreachable('taken'),
        (thrown: unknown) => thrown,
      );
      if (!isPyralogError(error)) throw error;
      expect({ code: error.code, digits: error.message.replaceAll(',', '') }).toEqual({
        code: row.code,
        digits: expect.stringContaining(String(limit)),
      });
      // Nothing of it was applied.
      const { transactions } = await database.transactions({}, { await: tx });
      expect(transactions.map((each) => each.tx)).toEqual([tx]);
    });
  });
}
