import { createCodec, createPortableCodec } from '@pyralog/format/zstd';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { makeFiles } from './examples.ts';
import { readGolden } from './read.ts';

const EXPECTED = '.expected.json';
const here = new URL('.', import.meta.url);
const versions = readdirSync(here).filter((name) => /^v[0-9]+$/.test(name));
const newest = versions.toSorted().at(-1);
const codecs = [await createCodec(), await createPortableCodec()];

test('there are golden files of every kind', () => {
  expect(newest).toBe('v0');
  expect(readdirSync(new URL('v0/', here)).filter((name) => name.endsWith(EXPECTED)).length).toBe(
    11,
  );
});

describe.each(versions)('files of version %s', (version) => {
  const folder = new URL(`${version}/`, here);
  const names = readdirSync(folder).filter((name) => !name.endsWith(EXPECTED));

  test.each(names)('%s is read as when it was written, by every codec', (name) => {
    const bytes = new Uint8Array(readFileSync(new URL(name, folder)));
    const expected: unknown = JSON.parse(readFileSync(new URL(name + EXPECTED, folder), 'utf8'));
    for (const codec of codecs) expect(readGolden(name, bytes, codec)).toEqual(expected);
  });
});

test('what is written today says what the newest golden files say', () => {
  for (const codec of codecs) {
    for (const [name, bytes] of makeFiles(codec)) {
      const path = new URL(`${newest}/${name}${EXPECTED}`, here);
      const expected: unknown = JSON.parse(readFileSync(path, 'utf8'));
      const said = readGolden(name, bytes, codec);
      // Sizes of files depend on the compressor.
      if (name === 'manifest.json') expect(withoutSizes(said)).toEqual(withoutSizes(expected));
      else expect(said).toEqual(expected);
    }
  }
});

function withoutSizes(manifest: unknown): unknown {
  return JSON.parse(
    JSON.stringify(manifest, (name, value: unknown) => (name === 'bytes' ? 0 : value)),
  );
}
