import { PyralogError } from '@pyralog/model';
import type { Failure } from '@pyralog/runtime';
import { type Doing, troubleOf } from './troubles.ts';

/** Documents of a database that may be on their way in a process, and their bytes (I13). */
export interface WaitingBounds {
  readonly documents: number;
  readonly bytes: number;
}

export const WAITING_MAX: WaitingBounds = { documents: 10_000, bytes: 256 * 1024 * 1024 };

/**
 * Why writers are refused while the index has no room.
 * @param liveFacts what waits for the indexer in memory
 * @param doing what this process does with the index
 * @param failure why it cannot do that, where it cannot
 */
export function noRoom(
  liveFacts: number,
  doing: Extract<Doing, 'read' | 'written'>,
  failure: Failure | undefined,
): PyralogError {
  const [trouble] = troubleOf('index', failure);
  if (trouble === undefined) {
    return new PyralogError(
      'busy',
      `The indexer is behind: ${liveFacts} facts wait for it in memory, which is the bound.`,
      { hint: 'Send the transaction again after a pause, or write more slowly.' },
    );
  }
  return new PyralogError(
    trouble.code === 'storage-full' ? 'storage-full' : 'busy',
    `The index cannot be ${doing}, and ${liveFacts} facts wait for it in memory, which is the bound. ${trouble.detail}`,
    {
      hint: `Nothing is lost, and reads go on. Writes go on by themselves when the index can be ${doing} again.`,
    },
  );
}
