/**
 * Facts that are not in force, as bytes inside an item of a commit record:
 *
 *   facts := entities attributes zeros message       texts and message of commit-facts.ts; nothing where there are none
 *              message begins at the next multiple of 8
 */
import { ByteReader, ByteWriter } from '@pyralog/base';
import type { StoredFact } from '@pyralog/model';
import { layoutFacts, readFacts, readTexts, writeFacts, writeTexts } from './commit-facts.ts';
import { FactTable } from './fact-table.ts';

const NOTHING = new Uint8Array(0);

/** The same facts give the same bytes. */
export function encodeFacts(facts: readonly StoredFact[]): Uint8Array {
  if (facts.length === 0) return NOTHING;
  const table = new FactTable();
  for (const fact of facts) table.append(fact);
  const head = new ByteWriter(512);
  writeTexts(table.entities, head);
  writeTexts(table.attributes, head);
  const layout = layoutFacts(table);
  const at = (head.length + 7) & ~7;
  const bytes = new Uint8Array(at + layout.bytes);
  bytes.set(head.view());
  writeFacts(table, layout, bytes, at);
  return bytes;
}

/** @throws TruncatedError, object-damaged */
export function decodeFacts(bytes: Uint8Array): readonly StoredFact[] {
  if (bytes.length === 0) return [];
  // A record may have it anywhere in memory.
  const from = new ByteReader(bytes);
  const entities = readTexts(from);
  const attributes = readTexts(from);
  const batch = readFacts(bytes, (from.position + 7) & ~7, entities, attributes);
  return Array.from({ length: batch.length }, (_, row) => batch.factAt(row));
}
