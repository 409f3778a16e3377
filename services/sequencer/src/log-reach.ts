import type { TopicPartition } from '@pyralog/log';
import { type LogOffset, PyralogError } from '@pyralog/model';

/**
 * The commit log must hold everything that the bucket does not (design section 5).
 * @param next behind the last record that the bucket has seen
 * @throws PyralogError `log-behind`
 */
export function checkLogReach(
  { topic, partition }: TopicPartition,
  next: LogOffset,
  { start, end }: { readonly start: LogOffset; readonly end: LogOffset },
): void {
  if (end >= next && start <= next) return;
  throw new PyralogError(
    'log-behind',
    end < next
      ? `The commit log ${topic}/${partition} ends at offset ${end}, but the bucket has seen everything before ${next}.`
      : `The commit log ${topic}/${partition} begins at offset ${start}, but the bucket ends at ${next}: records between are lost.`,
    {
      hint: 'Was it made anew, restored from an older copy, or is this the bucket of another? Restore the log that belongs to this bucket.',
    },
  );
}
