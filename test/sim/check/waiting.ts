/** Whether what waits on a partition is passed by what is younger (protocol 1.5.1). */
import type { Item, Lock } from '@pyralog/format';
import { cannotBoth } from './commitment.ts';
import type { Finding, LoggedMessage, LoggedRecord } from './history.ts';

type Begin = Extract<Item, { kind: 'begin' }>;
type PreparedItem = Extract<Item, { kind: 'prepared' }>;

/** A part that was promised, and the message that asked for it. */
interface Asked {
  readonly name: string;
  readonly start: bigint;
  readonly locks: readonly Lock[];
  /** Of the last message that asked for it, before it was promised. */
  readonly message: number;
  /** Place of the record that promises it. */
  readonly record: number;
}

/**
 * An owner that has heard of an older part, which waits, does not begin a younger transaction that locks the same: its own
 * would come first again and again.
 */
export function waitsForOlder(
  records: readonly LoggedRecord[],
  messages: readonly LoggedMessage[],
): readonly Finding[] {
  const partitions = new Set(records.map(({ partition }) => partition));
  return [...partitions].flatMap((partition) =>
    ofPartition(
      partition,
      records.filter((record) => record.counts && record.partition === partition),
      messages.filter((message) => message.partition === partition),
    ),
  );
}

function ofPartition(
  partition: number,
  records: readonly LoggedRecord[],
  messages: readonly LoggedMessage[],
): readonly Finding[] {
  const findings: Finding[] = [];
  for (const [first, last] of reigns(records)) {
    const asked = askedOf(records.slice(first, last), first, messages, records.slice(0, first));
    for (let at = first + 1; at < last; at++) {
      const heard = records[at - 1]?.coordination ?? 0;
      for (const item of records[at]?.items ?? []) {
        if (item.kind !== 'begin') continue;
        const older = asked.find(
          ({ message, record, start, locks }) =>
            message < heard && record > at && start < item.start && meet(locks, item),
        );
        if (older === undefined) continue;
        const what = `record ${records[at]?.offset} of partition ${partition} begins ${item.offset} past ${older.name}, which is older and waits`;
        findings.push({ check: 'older first', what });
      }
    }
  }
  return findings;
}

function meet(locks: readonly Lock[], begin: Begin): boolean {
  // What is claimed shows only when a part is resolved.
  return locks.some(
    (lock) =>
      !lock.resource.startsWith('e:db:claim:') && begin.locks.some((own) => cannotBoth(lock, own)),
  );
}

/** From the claim of each owner to that of the next one. */
function reigns(records: readonly LoggedRecord[]): readonly (readonly [number, number])[] {
  const claims = records.flatMap(({ seq }, at) => (seq === 0 ? [at] : []));
  return claims.map((at, i) => [at, claims[i + 1] ?? records.length]);
}

/** Parts that an owner promised, with the message of each that had an effect. */
function askedOf(
  reign: readonly LoggedRecord[],
  first: number,
  messages: readonly LoggedMessage[],
  before: readonly LoggedRecord[],
): readonly Asked[] {
  const from = before.reduce((max, { coordination }) => Math.max(max, coordination), 0);
  const marks = new Map<number, readonly [number, number]>();
  for (const record of before)
    for (const { peer, epoch, counter } of record.marks) marks.set(peer, [epoch, counter]);
  const taken: LoggedMessage[] = [];
  for (const message of messages) {
    if (message.offset < from) continue;
    const { coordinator, mark } = message;
    const [epoch, counter] = marks.get(coordinator) ?? [0, 0];
    if (mark[0] < epoch || (mark[0] === epoch && mark[1] <= counter)) continue;
    marks.set(coordinator, mark);
    taken.push(message);
  }
  return reign.flatMap(({ items, coordination }, i) =>
    items.flatMap((item): Asked[] => {
      if (item.kind !== 'prepared') return [];
      const asking = taken.findLast(
        (message) => message.offset < coordination && isFor(message, item),
      );
      if (asking === undefined) return [];
      const { start, locks } = item;
      return [{ name: asking.name, start, locks, message: asking.offset, record: first + i }];
    }),
  );
}

function isFor(message: LoggedMessage, { id, part, attempt }: PreparedItem): boolean {
  return (
    message.kind === 'prepare' &&
    message.name === `${id.coordinator}.${id.offset}` &&
    message.part === part &&
    message.attempt === attempt
  );
}
