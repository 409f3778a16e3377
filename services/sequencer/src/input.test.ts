import { ints, ipc, texts } from '@pyralog/arrow/testing';
import { utf8Encode } from '@pyralog/base';
import { createPortableCodec } from '@pyralog/format/zstd';
import type { StoredRecord } from '@pyralog/log';
import { logOffset, parseDocument } from '@pyralog/model';
import { expect, test } from 'vitest';
import { FORMAT_HEADER, INPUT_FORMATS, type InputFormat, inputOf } from './input.ts';

const codec = await createPortableCodec();

interface Written {
  readonly key?: string;
  readonly value: string | Uint8Array | null;
  readonly format?: string | Uint8Array;
}

const bytesOf = (text: string | Uint8Array): Uint8Array =>
  typeof text === 'string' ? utf8Encode(text) : text;

function read({ key, value, format }: Written, byDefault: InputFormat = 'transaction') {
  const record: StoredRecord = {
    offset: logOffset(7),
    value: value === null ? null : bytesOf(value),
    ...(key === undefined ? {} : { key: bytesOf(key) }),
    ...(format === undefined ? {} : { headers: { [FORMAT_HEADER]: bytesOf(format) } }),
  };
  return inputOf(record, byDefault, codec);
}

const TABLE = ipc([texts('entity', ['a']), ints('n', [2n ** 53n + 1n])]);
const DOCUMENT = '{"ops":[{"entity":"a","n":9007199254740993}]}';

test.each<[string, Written, InputFormat, string]>([
  ['a transaction', { value: DOCUMENT }, 'transaction', DOCUMENT],
  ['a transaction by its header', { value: DOCUMENT, format: 'transaction' }, 'arrow', DOCUMENT],
  ['a plain document', { key: 'a', value: '{"n":9007199254740993}' }, 'document', DOCUMENT],
  [
    'a plain document with all that the map form has',
    { key: 'a', value: '{"n":null,"m":["x"],":op":{"ref":"b"}}', format: 'document' },
    'transaction',
    '{"ops":[{"entity":"a","n":null,"m":["x"],":op":{"ref":"b"}}]}',
  ],
  [
    'a tombstone',
    { key: 'a', value: null, format: 'document' },
    'transaction',
    '{"ops":[{"op":"retractEntity","entity":"a"}]}',
  ],
  ['Arrow', { value: TABLE }, 'arrow', DOCUMENT],
  [
    'Arrow by its header, whatever the key',
    { key: 'x', value: TABLE, format: 'arrow' },
    'document',
    DOCUMENT,
  ],
])('%s', (_, written, byDefault, document) => {
  expect(read(written, byDefault)).toEqual({
    kind: 'document',
    offset: 7,
    document: parseDocument(document),
  });
});

test.each<[string, Written, string, RegExp]>([
  ['garbage', { value: Uint8Array.of(0xff, 0) }, 'json-malformed', /UTF-8/],
  ['nothing', { value: '' }, 'json-malformed', /end/],
  ['a transaction without value', { value: null }, 'document-invalid', /^The record has no value/],
  [
    'Arrow without value',
    { value: null, format: 'arrow' },
    'document-invalid',
    /^The record has no value/,
  ],
  ['JSON as Arrow', { value: DOCUMENT, format: 'arrow' }, 'document-invalid', /begin otherwise/],
  ['Arrow as JSON', { value: TABLE }, 'json-malformed', /UTF-8/],
  [
    'a plain document without key',
    { value: '{"n":1}', format: 'document' },
    'document-invalid',
    /^A plain document has the entity as its key/,
  ],
  [
    'a plain document that is none',
    { key: 'a', value: '[]', format: 'document' },
    'document-invalid',
    /^A plain document is an object/,
  ],
  [
    'a plain document that names its entity',
    { key: 'a', value: '{"entity":"b"}', format: 'document' },
    'document-invalid',
    /^A plain document has no attribute "entity"/,
  ],
  ['an unknown format', { value: '', format: 'avro' }, 'document-invalid', /says "avro"/],
  [
    'a format that is no text',
    { value: '', format: Uint8Array.of(0xff) },
    'document-invalid',
    /bytes that are no UTF-8/,
  ],
])('%s is an input with the reason of its rejection', (_, written, code, detail) => {
  expect(read(written)).toEqual({
    kind: 'unreadable',
    offset: 7,
    rejection: expect.objectContaining({ code, detail: expect.stringMatching(detail) }),
  });
});

test('the hint on an unknown format names those there are', () => {
  const input = read({ value: '', format: 'avro' });
  expect(input).toMatchObject({ rejection: { hint: `It may say ${INPUT_FORMATS.join(', ')}.` } });
});
