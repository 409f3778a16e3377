import type { TransactionDocument, Tx } from '@pyralog/model';
import type { DatabaseReader } from '@pyralog/reading';
import { FirstIds, type IdentityClaim, type Placement } from '@pyralog/sequencing';

/**
 * What the temporary ids of a document became when it was committed first.
 * @param placement what they were made of
 * @param tx of the transaction
 */
export async function firstIds(
  document: TransactionDocument,
  placement: Placement,
  tx: Tx,
  reader: DatabaseReader,
): Promise<ReadonlyMap<string, string>> {
  const ids = new FirstIds(document, await reader.schemaAt(tx));
  const holders = new Map<IdentityClaim, string>();
  for (const claim of ids.claims) {
    const holder = await reader.holderOf(claim.attribute, claim.value, { asOf: tx });
    if (holder !== undefined) holders.set(claim, holder);
  }
  return ids.all(placement, holders);
}
