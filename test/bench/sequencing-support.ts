import { emptyLogState } from '@pyralog/format';
import { epoch, initialSchema, logOffset, ownerId, partitionNo } from '@pyralog/model';
import { PartitionSequencer } from '@pyralog/sequencing';

/** A sequencer that leads an empty partition and forgets nothing. */
export function leader(): PartitionSequencer {
  const sequencer = new PartitionSequencer({
    partition: partitionNo(0),
    partitions: 1,
    state: emptyLogState(),
    schema: initialSchema(),
    complete: true,
    cacheBytesMax: 4 * 1024 ** 3,
  });
  const owner = ownerId('0'.repeat(32));
  sequencer.fold(logOffset(0), { kind: 'epoch', epoch: epoch(1), owner });
  sequencer.lead(0n);
  return sequencer;
}
