import { readCommitment } from './commitment.ts';
import { type Finding, type History, type Transaction, transactionsOf } from './history.ts';
import { claimsFit, listOrder, nobodyStarves, oneHolder } from './isolation.ts';
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
import { waitsForOlder } from './waiting.ts';

/** What the accounts of the workload hold together. */
export interface CheckOptions {
  readonly bank: { readonly attribute: string; readonly total: bigint };
  /** From when on nothing failed while documents came; codes that nobody is told then. */
  readonly calm?: { readonly from: number; readonly refusals: readonly string[] } | undefined;
}

/** Everything that must hold of a history, when all is quiet. */
export function checkHistory(history: History, { bank, calm }: CheckOptions): readonly Finding[] {
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
    ...oneHolder(samples),
    ...(partitions === 1 ? [] : severalPartitions(history, transactions)),
    ...(calm === undefined ? [] : nobodyStarves(records, inputs, calm)),
  ];
}

/** What holds of transactions over them besides. */
function severalPartitions(
  { records, inputs, messages }: History,
  transactions: readonly Transaction[],
): readonly Finding[] {
  return [
    ...readCommitment(records).findings,
    ...listOrder(records, inputs, transactions),
    ...claimsFit(records, transactions),
    ...waitsForOlder(records, messages),
  ];
}
