import type { TransactionDocument, Tx } from '@pyralog/model';
import type { DatabaseReader } from '@pyralog/reading';
import { FirstIds, type IdentityClaim, type Placement } from '@pyralog/sequencing';

/** What the temporary ids of a document became when it was committed first, as {@link Placement} tells. */
export async function firstIds(
  document: TransactionDocument,
  placement: Placement,
  reader: DatabaseReader,
): Promise<ReadonlyMap<string, string>> {
  const { tx } = placement;
  const ids = new FirstIds(document, await reader.schemaAt(tx));
  const holders = new Map<IdentityClaim, string>();
  for (const claim of ids.claims) {
    const holder = await holderAt(claim, tx, reader);
    if (holder !== undefined) holders.set(claim, holder);
  }
  return ids.all(placement, holders);
}

async function holderAt(
  { attribute, value }: IdentityClaim,
  asOf: Tx,
  reader: DatabaseReader,
): Promise<string | undefined> {
  const page = await reader.state({ index: 'avet', attribute, value, limit: 1 }, { asOf });
  return page.facts[0]?.entity;
}
