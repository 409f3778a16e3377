import {
  type DatabaseInfo,
  type FactBatch,
  type Manifest,
  type SearchKey,
  searchKey,
} from '@pyralog/format';
import {
  type BlockNeed,
  type IndexView,
  type Page,
  type Read,
  type RunHandle,
  entityAsOf,
  scan,
} from '@pyralog/indexing';
import {
  type StoredFact,
  foldSchema,
  initialSchema,
  type Schema,
  SETTINGS_ENTITY,
  TX_LAST,
  type Tx,
} from '@pyralog/model';
import type { Bucket } from './bucket.ts';
import { drive } from './drive.ts';

/** Attributes read at a time: a schema is small, its pages need not be. */
const PAGE = 10_000;

/**
 * The schema as of a moment: every attribute entity is known by its `db/ident`, and its facts as of
 * the moment, folded over what was there at creation, are the definitions.
 */
export function* readSchema(view: IndexView, created: Schema, basis: Tx): Read<Schema> {
  const facts: StoredFact[] = [...(yield* entityAsOf(view, SETTINGS_ENTITY, basis))];
  let after: SearchKey | undefined;
  do {
    const page: Page = yield* scan(
      view,
      'aevt',
      { attribute: 'db/ident' },
      { basis, mode: 'state', after, limit: PAGE },
    );
    for (const ident of page.facts) facts.push(...(yield* entityAsOf(view, ident.entity, basis)));
    const last = page.more ? page.facts.at(-1) : undefined;
    after = last === undefined ? undefined : searchKey('aevt', last);
  } while (after !== undefined);
  return foldSchema(created, facts);
}

/** The schema at a manifest's cut, read from its runs. */
export async function schemaOfManifest(
  bucket: Bucket,
  info: DatabaseInfo,
  manifest: Manifest,
): Promise<Schema> {
  const { partition } = manifest;
  const runs: RunHandle[] = [];
  // The schema lies in two orders; the others need not be opened.
  for (const run of manifest.runs.filter(({ order }) => order === 'eavt' || order === 'aevt')) {
    runs.push({ info: run, footer: await bucket.runFooter(partition, run) });
  }
  const load = ({ run, block }: BlockNeed): Promise<FactBatch> =>
    bucket.runBlock(partition, run, block);
  return drive(readSchema({ parts: [], runs }, initialSchema(info), TX_LAST), {
    peek: () => undefined,
    load,
  });
}
