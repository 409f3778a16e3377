import { expect, test } from 'vitest';
import { parseDocument } from './document-parse.ts';
import type { ErrorCode } from './errors.ts';
import {
  CONDITIONS_MAX,
  DOCUMENT_BYTES_MAX,
  FACTS_MAX,
  JSON_DEPTH_MAX,
  KEY_BYTES_MAX,
  NAME_BYTES_MAX,
  OPERATIONS_MAX,
  VALUE_BYTES_MAX,
} from './limits.ts';
import { refusal } from './testing/index.ts';

test('the limits are those that are promised', () => {
  expect({
    OPERATIONS_MAX,
    CONDITIONS_MAX,
    FACTS_MAX,
    DOCUMENT_BYTES_MAX,
    NAME_BYTES_MAX,
    KEY_BYTES_MAX,
    VALUE_BYTES_MAX,
    JSON_DEPTH_MAX,
  }).toEqual({
    OPERATIONS_MAX: 100_000,
    CONDITIONS_MAX: 100_000,
    FACTS_MAX: 1_000_000,
    DOCUMENT_BYTES_MAX: 67_108_864,
    NAME_BYTES_MAX: 1024,
    KEY_BYTES_MAX: 1024,
    VALUE_BYTES_MAX: 16_777_216,
    JSON_DEPTH_MAX: 64,
  });
});

interface Limit {
  readonly what: string;
  /** A document that is over the limit by so much. */
  readonly document: (over: number) => string | Uint8Array;
  readonly code: ErrorCode;
  readonly path?: string;
  /** Words of the message that say the limit. */
  readonly says: RegExp;
}

const ops = (row: string): string => `{"ops":[${row}]}`;
const times = (row: string, count: number): string => Array<string>(count).fill(row).join();
/** As many bytes, of characters with 1 to 4. */
const bytes = (count: number): string => `é€😀${'x'.repeat(count - 9)}`;

const LIMITS: readonly Limit[] = [
  {
    what: 'operations',
    document: (over) => ops(times('{"entity":"a","n":1}', OPERATIONS_MAX + over)),
    code: 'transaction-too-large',
    path: 'ops',
    says: /100001 operations. The limit is 100000./,
  },
  {
    what: 'operations that write nothing',
    document: (over) => ops(times('{"entity":"a","n":[]}', OPERATIONS_MAX + over)),
    code: 'transaction-too-large',
    path: 'ops',
    says: /The limit is 100000./,
  },
  {
    what: 'conditions',
    document: (over) =>
      `{"if":[${times('{"entity":"a","absent":true}', CONDITIONS_MAX + over)}],"ops":[]}`,
    code: 'transaction-too-large',
    path: 'if',
    says: /100001 conditions. The limit is 100000./,
  },
  {
    what: 'the idempotency key',
    document: (over) => `{"id":"${bytes(KEY_BYTES_MAX + over)}","ops":[]}`,
    code: 'document-invalid',
    path: 'id',
    says: /1025 bytes. The limit is 1024 bytes./,
  },
  {
    what: 'an entity',
    document: (over) => ops(`{"entity":"${bytes(NAME_BYTES_MAX + over)}","n":1}`),
    code: 'entity-invalid',
    path: 'ops[0].entity',
    says: /1025 bytes.*The limit is 1024 bytes./,
  },
  {
    what: 'a ref',
    document: (over) => ops(`{"entity":"a","n":{"ref":"${bytes(NAME_BYTES_MAX + over)}"}}`),
    code: 'entity-invalid',
    path: 'ops[0].n',
    says: /The limit is 1024 bytes./,
  },
  {
    what: 'an attribute',
    document: (over) =>
      ops(`{"op":"retract","entity":"a","attribute":":${bytes(NAME_BYTES_MAX + over)}"}`),
    code: 'attribute-invalid',
    path: 'ops[0].attribute',
    says: /1025 bytes.*The limit is 1024 bytes./,
  },
  {
    what: 'the definition of an attribute',
    document: (over) =>
      ops(`{"entity":"attribute:${bytes(NAME_BYTES_MAX + over)}","db/valueType":"int"}`),
    code: 'entity-invalid',
    path: 'ops[0].entity',
    says: /1035 bytes.*The limit is 1034 bytes./,
  },
  {
    what: 'the entity of a condition',
    document: (over) =>
      `{"if":[{"entity":"${bytes(NAME_BYTES_MAX + over)}","absent":true}],"ops":[]}`,
    code: 'entity-invalid',
    path: 'if[0].entity',
    says: /The limit is 1024 bytes./,
  },
  {
    what: 'a string',
    document: (over) => ops(`{"entity":"a","n":"${bytes(VALUE_BYTES_MAX + over)}"}`),
    code: 'value-too-large',
    path: 'ops[0].n',
    says: /16777217 bytes. The limit is 16777216 bytes \(16 MiB\)./,
  },
  {
    what: 'bytes',
    document: (over) => {
      const base64 = Buffer.alloc(VALUE_BYTES_MAX + over).toString('base64');
      return ops(`{"entity":"a","n":{"bytes":"${base64}"}}`);
    },
    code: 'value-too-large',
    path: 'ops[0].n',
    says: /16777217 bytes/,
  },
  {
    what: 'a json value, without its white space',
    document: (over) =>
      ops(`{"entity":"a","n":{  "b" : "${bytes(VALUE_BYTES_MAX - 8 + over)}"  }}`),
    code: 'value-too-large',
    path: 'ops[0].n',
    says: /16777217 bytes/,
  },
  {
    what: 'the document, as bytes',
    document: (over) => {
      const document = new Uint8Array(DOCUMENT_BYTES_MAX + over).fill(0x20);
      document.set(Buffer.from('{"ops":[]}'));
      return document;
    },
    code: 'transaction-too-large',
    says: /67108865 bytes. The limit is 67108864 bytes \(64 MiB\)./,
  },
  {
    what: 'nesting',
    document: (over) => {
      // Around the value lie the document, ops and the operation.
      const levels = JSON_DEPTH_MAX - 3 + over;
      return ops(`{"entity":"a","n":${'{"x":'.repeat(levels)}1${'}'.repeat(levels)}}`);
    },
    code: 'json-malformed',
    says: /nested deeper than 64 levels/,
  },
];

test.each(LIMITS)('$what: at the limit taken, one above refused as $code', (limit) => {
  const { document, code, path, says } = limit;
  expect(refusal(() => parseDocument(document(0)))?.message).toBeUndefined();
  const error = refusal(() => parseDocument(document(1)));
  expect(error?.code).toBe(code);
  expect(error?.message).toMatch(says);
  expect(error?.extra['path']).toBe(path);
  if (code !== 'json-malformed') {
    expect(error?.extra['given']).toBe((error?.extra['limit'] as number) + 1);
  }
});

test('the document as text is counted in bytes, not in characters', () => {
  const filler = '€'.repeat(DOCUMENT_BYTES_MAX / 3);
  const error = refusal(() => parseDocument(`{"ops":[],"id":"${filler}"}`));
  expect(error?.code).toBe('transaction-too-large');
});
