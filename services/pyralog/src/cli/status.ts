import { type OpenTransaction, printStatus, type StatusAnswer } from '@pyralog/client';
import { type GlobalOptions, openHost } from './context.ts';
import { colours, line, moment, note, out, table } from './print.ts';

/** One database, or all where none is named. */
export async function status(
  options: Omit<GlobalOptions, 'db'> & { readonly db?: string | undefined },
): Promise<void> {
  await using host = await openHost(options);
  const names = options.db === undefined ? await host.list() : [options.db];
  const answers: StatusAnswer[] = [];
  for (const name of names) answers.push(await (await host.database(name)).status());
  if (options.json === true) {
    const texts = answers.map(printStatus);
    line(options.db === undefined ? `[${texts.join(',')}]` : (texts[0] ?? ''));
    return;
  }
  if (answers.length === 0) note('There is no database yet: `pyralog create NAME` makes one.');
  answers.forEach((answer, i) => show(answer, i === 0 ? '' : '\n'));
}

function show(
  { database, mode, strict, durable, version, id, partitions, bytes }: StatusAnswer,
  before: string,
): void {
  const words = [mode, strict ? 'strict' : '', durable ? '' : 'in memory, nothing is kept'].filter(
    (word) => word !== '',
  );
  out(before);
  line(
    `${colours.bold(database)}  ${words.join(', ')}  ${colours.dim(`version ${version}, id ${id}`)}`,
  );
  const rows = partitions.map((each) =>
    [
      each.partition,
      each.epoch,
      each.logEnd,
      each.indexed,
      each.logEnd - each.indexed,
      each.liveFacts,
      each.runs,
    ]
      .map(String)
      .concat(moment(each.closed)),
  );
  out(
    table(
      ['partition', 'epoch', 'log end', 'indexed', 'behind', 'live facts', 'runs', 'closed'],
      rows,
    ),
  );
  for (const { partition, open } of partitions)
    for (const each of open) if (isStuck(each, Date.now())) line(stuck(partition, each));
  const sizes = Object.entries(bytes).map(([kind, count]) => `${kind} ${sizeText(count)}`);
  if (sizes.length > 0) line(`in the bucket: ${sizes.join(', ')}`);
}

/** Far longer than a transaction takes whose partitions all have a sequencer. */
const STUCK_MILLIS = 10_000;

function isStuck({ since }: OpenTransaction, now: number): boolean {
  return now - Date.parse(since) > STUCK_MILLIS;
}

function stuck(partition: number, { coordinator, offset, since, role }: OpenTransaction): string {
  const which = `transaction ${offset} of partition ${coordinator}, since ${since}`;
  return role === 'coordinator'
    ? `partition ${partition} waits for the others: ${which}`
    : `partition ${partition} waits for the decision of ${coordinator}, and closes no time until then: ${which}`;
}

/** 1536 → "1.5 KiB". */
export function sizeText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return power === 0 ? `${bytes} B` : `${(bytes / 1024 ** power).toFixed(1)} ${units[power]}`;
}
