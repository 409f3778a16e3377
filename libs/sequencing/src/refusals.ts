import {
  formatValue,
  isReference,
  type PartitionNo,
  PyralogError,
  shortened,
  type StoredValue,
} from '@pyralog/model';

/** A name in a message, in quotes and cut to a readable length. */
export function quoted(name: string): string {
  return JSON.stringify(shortened(name));
}

/** Values in a message, cut to a readable length. */
export function shown(values: readonly StoredValue[]): string {
  if (values.length === 0) return 'absent';
  const text = values
    .slice(0, 3)
    .map((value) => JSON.stringify(shortened(textOf(value))))
    .join(', ');
  return values.length > 3 ? `${text}, … (${values.length})` : text;
}

/** The operations of one transaction contradict each other. */
export function contradiction(entity: string, attribute: string, what: string): PyralogError {
  return new PyralogError(
    'facts-conflict',
    `The operations on ${quoted(attribute)} of ${quoted(entity)} contradict each other: ${what}.`,
    {
      hint: 'Operations of one transaction have no order: each sees the state before it.',
      extra: { entity, attribute },
    },
  );
}

/** A value that is taken from an entity which keeps it. */
export function stillHeld(holder: string): PyralogError {
  return new PyralogError(
    'unique-conflict',
    `A unique value that the transaction takes belongs to ${quoted(holder)}, which does not give it up.`,
    { extra: { owner: holder } },
  );
}

/** A document that is one too many in line. */
export function tooMany(waiting: number): PyralogError {
  return new PyralogError(
    'busy',
    `${waiting} transactions wait for others on this partition, which is the bound.`,
    { hint: 'Send the transaction again after a pause.' },
  );
}

/** A document whose turn does not come. */
export function waitedTooLong(nanos: bigint): PyralogError {
  return new PyralogError(
    'busy',
    `The transaction has waited ${nanos / 1_000_000_000n} s for others that use the same entities.`,
    { hint: 'Send it again. Transactions that are not decided for long are shown by the status.' },
  );
}

/** Participants that do not answer. */
export function unanswered(partitions: readonly PartitionNo[], nanos: bigint): PyralogError {
  return new PyralogError(
    'busy',
    `The transaction needs ${partitions.map((each) => `partition ${each}`).join(', ')}, and nothing was heard from there for ${nanos / 1_000_000_000n} s.`,
    { hint: 'Nothing was written. Send it again when the sequencers of these partitions run.' },
  );
}

/** A promise that is further ahead than clocks may be. */
export function clocksApart(nanos: bigint): PyralogError {
  return new PyralogError(
    'clock-ahead',
    `The clock of another partition is ${nanos / 1_000_000n} ms ahead of this one's.`,
    { hint: 'Nothing was written. Have the clocks of all sequencers set by one source.' },
  );
}

/** Canonical text; of a blob its beginning, which is longer than what is shown. */
function textOf(value: StoredValue): string {
  if (!isReference(value)) return formatValue(value);
  const { prefix } = value;
  return typeof prefix === 'string' ? prefix : formatValue({ type: 'bytes', value: prefix });
}
