import {
  type DatabaseMode,
  formatNanos,
  PyralogError,
  type TransactionDocument,
} from '@pyralog/model';

/**
 * Why a document may not have the commit time that it asks for, if so.
 * @param last time of the newest transaction; both are nanoseconds
 */
export function timeRefusal(
  { at }: TransactionDocument,
  mode: DatabaseMode,
  last: bigint,
  now: bigint,
): PyralogError | undefined {
  if (at === undefined) return undefined;
  if (mode === 'live') {
    return new PyralogError(
      'import-time-invalid',
      'The transaction asks for a commit time, and the database is live.',
      {
        hint: 'Times can be given while a database is in import mode. Keep the time as an attribute instead.',
      },
    );
  }
  const reason =
    at < last
      ? `lies before the last transaction, ${formatNanos(last)}`
      : at > now
        ? `lies in the future; it is ${formatNanos(now)}`
        : undefined;
  if (reason === undefined) return undefined;
  return new PyralogError('import-time-invalid', `The commit time ${formatNanos(at)} ${reason}.`, {
    hint: 'Import transactions in the order of their times.',
  });
}
