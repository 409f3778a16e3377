import type { EpochRecord, Outcomes } from './commit-record.ts';
import type { AdmissionState } from './manifest.ts';
import { epoch } from '@pyralog/model';

/** Before the first record of a commit log. */
export const NOTHING_ADMITTED: AdmissionState = { epoch: epoch(0), owner: undefined, seq: 0 };

/**
 * Which records of one partition's commit log count (protocol 1.1, I6).
 *
 * Everything behind a newer EPOCH is void however late its writer wakes up, and so is a record that is
 * not the next of its owner: a producer's duplicate, or a successor of a lost append. Deciding and
 * folding are one operation because every reader (owner, indexer, API node, feed, verifier) must agree
 * record by record, and a reader that decides first and folds later can disagree with itself.
 *
 * @returns the state after `record`, and whether the record counts. A refusal returns the same state.
 */
export function admit(
  at: AdmissionState,
  record: EpochRecord | Outcomes,
): { readonly after: AdmissionState; readonly counts: boolean } {
  if (record.kind === 'epoch') {
    // Two contenders may claim the same number: the first one in the log has it.
    if (record.epoch <= at.epoch) return { after: at, counts: false };
    return { after: { epoch: record.epoch, owner: record.owner, seq: 0 }, counts: true };
  }
  const next = record.epoch === at.epoch && record.owner === at.owner && record.seq === at.seq + 1;
  return next ? { after: { ...at, seq: record.seq }, counts: true } : { after: at, counts: false };
}
