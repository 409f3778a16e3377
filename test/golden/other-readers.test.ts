import { createCodec } from '@pyralog/format/zstd';
import {
  type BlobReference,
  INDEX_ORDERS,
  isReference,
  logOffset,
  type StoredFact,
  tx,
} from '@pyralog/model';
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { draft, facts, makeHistory, makeRun, makeSegment } from './examples.ts';
import { readRun, readSegment } from './read.ts';

const formats = fileURLToPath(new URL('../formats/', import.meta.url));
const setup = spawnSync(join(formats, 'setup.sh'), { encoding: 'utf8' });
const reason =
  setup.status === 0
    ? ''
    : `no Python with pyarrow and Polars: ${setup.stderr.trim().split('\n').at(-1)}`;

const codec = await createCodec();
const folder = mkdtempSync(join(tmpdir(), 'pyralog-formats-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Several blocks, with columns that some blocks do not use. */
const many: readonly StoredFact[] = [
  ...facts,
  ...Array.from({ length: 6000 }, (_, i): StoredFact => ({
    entity: `person:${i % 1500}`,
    attribute: ['name', 'age', 'friend'][i % 3] as string,
    value:
      i % 3 === 0
        ? { type: 'string', value: `Näme ${i}` }
        : i % 3 === 1
          ? { type: 'int', value: BigInt(i - 3000) }
          : { type: 'ref', value: `person:${i}` },
    tx: tx(BigInt(i + 1) * 1024n),
    operation: i % 7 === 0 ? 'retract' : 'assert',
  })),
];

interface MadeFile {
  readonly path: string;
  readonly facts: readonly StoredFact[];
}

function write(name: string, bytes: Uint8Array, read: typeof readRun): MadeFile {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return { path, facts: read(bytes, codec).facts };
}

/** One file of every kind that is an Arrow file, small and of many blocks. */
function makeAll(): MadeFile[] {
  const files = [facts, many].flatMap((list, size) =>
    INDEX_ORDERS.map((order) =>
      write(`${order}-${size}.arrow`, makeRun(order, list, codec).bytes, readRun),
    ),
  );
  for (const order of INDEX_ORDERS)
    files.push(write(`${order}-history.arrow`, makeHistory(order, many, codec).bytes, readRun));
  const records = many.slice(facts.length).map((fact, i) => ({
    ...draft,
    seq: i + 1,
    items: [{ kind: 'commit', offset: logOffset(i), tx: fact.tx, facts: [fact] } as const],
  }));
  files.push(write('segment-0.arrow', makeSegment([draft], codec).segment.bytes, readSegment));
  files.push(write('segment-1.arrow', makeSegment(records, codec).segment.bytes, readSegment));
  files.push(write('segment-2.arrow', makeSegment([], codec).segment.bytes, readSegment));
  return files;
}

type Row = readonly [string, string, string, string, string, boolean, string];

function rowOf({ entity, attribute, value, tx, operation }: StoredFact): Row {
  const content = isReference(value) ? value.prefix : value.value;
  let text = String(content);
  if (value.type === 'double') text = 'double';
  if (content instanceof Uint8Array) text = Buffer.from(content).toString('hex');
  const key = [entity, attribute, value.type, text, String(tx), operation === 'assert'] as const;
  return [...key, isReference(value) ? blobOf(value) : ''];
}

/** SHA-256 and length, as the column `blob` has them. */
function blobOf({ sha256, bytes }: BlobReference): string {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes));
  return sha256 + length.toString('hex');
}

/** The float of a hexadecimal text of Python's `float.hex`, by its bits. */
const DOUBLES: Readonly<Record<string, number>> = {
  '0x1.999999999999ap-4': 0.1,
  '-inf': -Infinity,
  '0x0.0000000000001p-1022': 5e-324,
};

describe.skipIf(reason !== '' && process.env['CI'] !== 'true')(
  `other readers of Arrow ${reason}`,
  () => {
    test(
      'pyarrow and Polars read every fact of every kind of file',
      { timeout: 120_000 },
      async () => {
        expect(reason).toBe('');
        const files = makeAll();
        const script = join(formats, 'read.py');
        const python = promisify(execFile);
        const paths = files.map((file) => file.path);
        const { stdout } = await python(setup.stdout.trim(), [script, ...paths], {
          maxBuffer: 1 << 28,
        });
        const answer = JSON.parse(stdout) as Record<string, Record<string, Row[]>>;
        for (const file of files) {
          const doubles = file.facts.flatMap(({ value }) =>
            value.type === 'double' ? [value.value] : [],
          );
          for (const reader of ['pyarrow', 'polars']) {
            const rows = answer[file.path]?.[reader] ?? [];
            const floats = rows.filter((row) => row[2] === 'double').map((row) => DOUBLES[row[3]]);
            const texts = rows.map((row) => (row[2] === 'double' ? row.with(3, 'double') : row));
            expect(texts.length, `${reader} ${file.path}`).toBe(file.facts.length);
            expect(texts, `${reader} ${file.path}`).toEqual(file.facts.map(rowOf));
            expect(floats).toEqual(doubles);
          }
        }
      },
    );
  },
);
