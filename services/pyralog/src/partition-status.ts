import {
  OPEN_MAX,
  type OpenTransaction,
  type PartitionStatus,
  type Trouble,
} from '@pyralog/client';
import type { OpenTransactions } from '@pyralog/format';
import { formatInstant, type PartitionNo, type Tx } from '@pyralog/model';
import type { PartitionReader } from '@pyralog/reading';

/** Where a partition stands, as its log tells. */
export function partitionStatus(
  { state, closed, liveFacts, index }: PartitionReader,
  troubles: readonly Trouble[],
): PartitionStatus {
  return {
    partition: index.partition,
    epoch: state.admission.epoch,
    owner: state.admission.owner ?? '',
    logEnd: state.next,
    indexed: index.state.next,
    closed,
    liveFacts,
    manifest: index.manifest?.number ?? 0,
    runs: index.runs.length,
    open: openOf(state.open, index.partition),
    troubles,
  };
}

/** What is not over, the oldest first. */
function openOf(
  { begun, prepared }: OpenTransactions,
  partition: PartitionNo,
): readonly OpenTransaction[] {
  const all = new Map<string, Open>();
  // Several parts of one transaction may be promised here.
  for (const { id, start } of prepared)
    all.set(`${id.coordinator}.${id.offset}`, { ...id, start, role: 'participant' });
  for (const { offset, start } of begun)
    all.set(`${partition}.${offset}`, {
      coordinator: partition,
      offset,
      start,
      role: 'coordinator',
    });
  return [...all.values()]
    .sort((a, b) => (a.start < b.start ? -1 : 1))
    .slice(0, OPEN_MAX)
    .map(({ start, ...open }) => ({ ...open, since: formatInstant(start / 1000n) }));
}

interface Open extends Omit<OpenTransaction, 'since'> {
  readonly start: Tx;
}
