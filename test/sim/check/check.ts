import { type Finding, type History, transactionsOf } from './history.ts';
import {
  acknowledgedIsThere,
  believedCounts,
  inputOrder,
  keyOnce,
  oneOutcome,
  retractChain,
  txRises,
} from './log.ts';
import { atomicVisibility, bankSum, objectsNeverChange, samplesEqualFold } from './reads.ts';
import { serialReplay } from './serial.ts';

/** What the accounts of the workload hold together. */
export interface CheckOptions {
  readonly bank: { readonly attribute: string; readonly total: bigint };
}

/** Everything that must hold of a history, when all is quiet. */
export function checkHistory(history: History, { bank }: CheckOptions): readonly Finding[] {
  const { partitions, records, inputs, samples, acknowledgements, beliefs, objects } = history;
  const { hasAllInputs, refusals } = history;
  const transactions = transactionsOf(records);
  return [
    ...oneOutcome(records, hasAllInputs ? inputs : undefined),
    ...acknowledgedIsThere(acknowledgements, transactions),
    ...believedCounts(beliefs, records),
    ...keyOnce(records, transactions),
    ...txRises(records),
    ...retractChain(transactions),
    ...inputOrder(records),
    ...serialReplay(records, inputs, { partitions, refusals }),
    ...samplesEqualFold(samples, transactions),
    ...atomicVisibility(samples, transactions),
    ...bankSum(samples, bank),
    ...objectsNeverChange(objects),
  ];
}
