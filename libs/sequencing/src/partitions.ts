import {
  formatValue,
  isReference,
  partitionOf,
  type PartitionNo,
  PyralogError,
  type StoredValue,
} from '@pyralog/model';
import type { ResolveContext } from './context.ts';
import { quoted, shown } from './refusals.ts';

/*
 * One sequencer commits what lies on its partition. A transaction that needs more is another protocol
 * (design section 6), and refused here before anything of it is looked up.
 */

/** @throws partitions-spanned */
export function checkEntityHome(entity: string, { partition, partitions }: ResolveContext): void {
  if (partitions === 1) return;
  const home = partitionOf(entity, partitions);
  if (home !== partition) throw spanned(`The entity ${quoted(entity)}`, entity, home, partition);
}

/** @throws partitions-spanned */
export function checkClaimHome(
  attribute: string,
  value: StoredValue,
  { partition, partitions }: ResolveContext,
): void {
  if (partitions === 1) return;
  const home = partitionOfClaim(attribute, value, partitions);
  if (home === partition) return;
  const what = `The unique value ${shown([value])} of ${quoted(attribute)}`;
  throw spanned(what, attribute, home, partition);
}

/**
 * Where it is decided who holds a unique value: whatever entity wants it, all must meet at one place.
 * A {tag} in the value routes it like an entity, so that both can be kept together.
 */
function partitionOfClaim(attribute: string, value: StoredValue, partitions: number): PartitionNo {
  const text = isReference(value) ? `sha256:${value.sha256}` : formatValue(value);
  return partitionOf(`unique:${attribute}=${text}`, partitions);
}

function spanned(
  what: string,
  entity: string,
  home: PartitionNo,
  partition: PartitionNo,
): PyralogError {
  return new PyralogError(
    'partitions-spanned',
    `${what} lies on partition ${home}, and the transaction arrived on partition ${partition}.`,
    {
      hint: 'Keep what is written together on one partition by a common {tag} in the ids.',
      extra: { entity, partitions: [partition, home] },
    },
  );
}
