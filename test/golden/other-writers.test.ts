import { documentFromArrow } from '@pyralog/arrow';
import { createPortableCodec } from '@pyralog/format/zstd';
import { parseDocument } from '@pyralog/model';
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';

const formats = fileURLToPath(new URL('../formats/', import.meta.url));
const setup = spawnSync(join(formats, 'setup.sh'), { encoding: 'utf8' });
const reason =
  setup.status === 0
    ? ''
    : `no Python with pyarrow and Polars: ${setup.stderr.trim().split('\n').at(-1)}`;

const codec = await createPortableCodec();
const folder = mkdtempSync(join(tmpdir(), 'pyralog-writers-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** What the table of write.py says. */
const TABLE = parseDocument(`{"ops":[
  {"entity":"paper:1","title":"x","kind":"book","pages":1,"weight":0.1,"open":true,
    "printed":{"instant":"1970-01-02T00:00:00Z"},"digest":{"bytes":"AP8="},"author":["a","b"]},
  {"entity":"paper:2","cited":255,"weight":{"double":"Infinity"},
    "added":{"instant":"2255-06-05T23:47:34.740993Z"},"author":[]},
  {"entity":"päper:3","title":"a title that is longer than twelve bytes","kind":"thesis","pages":-9007199254740993,"cited":0,
    "open":false,"added":{"instant":"1969-12-31T23:59:59.999999Z"},"printed":{"instant":"1969-12-31T00:00:00Z"},
    "digest":{"bytes":"AAAAAAAAAAAAAAAAAAAAAAAAAAA="},"author":["c"]}]}`);

const OPERATIONS =
  parseDocument(`{"id":"order-4711","meta":{"author":"user:alice"},"at":"2020-01-01T00:00:00Z",
  "ops":[{"op":"assert","entity":"a","attribute":"n","value":"x"},
    {"op":"assert","entity":"a","attribute":"m","value":{"ref":"b"}},
    {"op":"assert","entity":"a","attribute":"o","value":9007199254740993},
    {"op":"retract","entity":"a","attribute":"p"}]}`);

describe.skipIf(reason !== '' && process.env['CI'] !== 'true')(
  `other writers of Arrow ${reason}`,
  () => {
    test(
      'what pyarrow and Polars write is read, whichever way they write it',
      { timeout: 120_000 },
      async () => {
        expect(reason).toBe('');
        await promisify(execFile)(setup.stdout.trim(), [join(formats, 'write.py'), folder]);
        const names = readdirSync(folder).toSorted();
        expect(names).toEqual([
          'operations',
          ...['polars-file-lz4', 'polars-file-uncompressed', 'polars-file-zstd', 'polars-oldest'],
          ...['polars-stream-lz4', 'polars-stream-uncompressed', 'polars-stream-zstd'],
          ...[
            'pyarrow-deltas',
            'pyarrow-file',
            'pyarrow-large',
            'pyarrow-lz4',
            'pyarrow-stream',
            'pyarrow-v4',
          ],
          ...['pyarrow-views', 'pyarrow-zstd'],
        ]);
        for (const name of names) {
          const document = documentFromArrow(readFileSync(join(folder, name)), codec);
          expect(document, name).toEqual(name === 'operations' ? OPERATIONS : TABLE);
        }
      },
    );
  },
);
