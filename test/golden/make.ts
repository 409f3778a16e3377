import { createCodec } from '@pyralog/format/zstd';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { makeFiles } from './examples.ts';
import { readGolden } from './read.ts';

/**
 * Writes the golden files of a new format version, with what they say in JSON beside them:
 * `npx tsx --conditions=source test/golden/make.ts v1`. Files of a released version are never made anew.
 */
const version = process.argv[2] ?? '';
const folder = new URL(`${version}/`, import.meta.url);
if (!/^v[0-9]+$/.test(version)) throw new Error('Say which version, like v1.');
if (existsSync(folder)) throw new Error(`${folder.pathname} is there already.`);

const codec = await createCodec();
mkdirSync(folder);
for (const [name, bytes] of makeFiles(codec)) {
  writeFileSync(new URL(name, folder), bytes);
  const said = JSON.stringify(readGolden(name, bytes, codec), undefined, 1);
  writeFileSync(new URL(`${name}.expected.json`, folder), `${said}\n`);
}
