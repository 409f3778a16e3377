import { type IndexView, type Read, entityAsOf, scan } from '@pyralog/indexing';
import { type Fact, foldSchema, type Schema, SETTINGS_ENTITY, type Tx } from '@pyralog/model';

/** Attributes read at a time: a schema is small, its pages need not be. */
const PAGE = 10_000;

/**
 * The schema as of a moment: every attribute entity is known by its `db/ident`, and its facts as of
 * the moment, folded over what was there at creation, are the definitions.
 */
export function* readSchema(view: IndexView, created: Schema, basis: Tx): Read<Schema> {
  const facts: Fact[] = [...(yield* entityAsOf(view, SETTINGS_ENTITY, basis))];
  let after: Fact | undefined;
  do {
    const page: { readonly facts: readonly Fact[]; readonly more: boolean } = yield* scan(
      view,
      'aevt',
      { attribute: 'db/ident' },
      { basis, mode: 'state', after, limit: PAGE },
    );
    for (const ident of page.facts) facts.push(...(yield* entityAsOf(view, ident.entity, basis)));
    after = page.more ? page.facts.at(-1) : undefined;
  } while (after !== undefined);
  return foldSchema(created, facts);
}
