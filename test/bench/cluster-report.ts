import { IN_FLIGHT, OURSELVES, type Way } from './cluster-run.ts';
import { figure, latency, median } from './measure.ts';
import type { Results } from './report.ts';

/**
 * A line of a table: a figure of each way that was measured. `latency`: the median and p99, which of a few samples
 * is the longest.
 */
interface Row {
  readonly what: string;
  readonly id: string;
  readonly kind: 'rate' | 'amount' | 'latency';
  /** What a cluster must not fall below; of a latency, its p50. */
  readonly floor?: number;
}

/** Those that a table has side by side. */
type Columns = readonly Way[];

const TITLES: Readonly<Record<Way, string>> = {
  embedded: '`pyralog dev`',
  cluster: 'cluster',
  kafka: 'cluster, by Kafka',
};
const SIDE_BY_SIDE: Columns = ['embedded', 'cluster'];
const ALL: Columns = ['embedded', 'cluster', 'kafka'];
const PROCESSES = ['dev', 'sequencer', 'indexer', 'api', 'Kafka', 'S3', 'Redis'] as const;

/** The tables as Markdown; a row that was not measured is left out. */
export function clusterTables(results: Results<Way>): string {
  const of = (title: string, columns: Columns, rows: readonly Row[]): string =>
    table(title, columns, rows, results);
  return [
    of('Single commits over HTTP, ms: p50 / p99', SIDE_BY_SIDE, [
      { what: 'one fact replaced, one in flight', id: 'commit', kind: 'latency', floor: 25 },
    ]),
    of('Ingest in transactions of 100 facts, facts/s', ALL, [
      {
        what: `until all have their outcome; ${IN_FLIGHT.http} in flight over HTTP, ${IN_FLIGHT.kafka} by Kafka`,
        id: 'ingest',
        kind: 'rate',
        floor: 40_000,
      },
      { what: 'until indexed', id: 'ingest indexed', kind: 'rate' },
      {
        what: 'until the topic of changes and the views have all',
        id: 'ingest published',
        kind: 'rate',
      },
    ]),
    of(
      'Taking over, s: median / longest',
      ['cluster'],
      [
        { what: 'SIGKILL of the leader', id: 'takeover SIGKILL', kind: 'latency', floor: 10 },
        { what: 'SIGTERM of the leader', id: 'takeover SIGTERM', kind: 'latency', floor: 1 },
      ],
    ),
    of('Starting the door again on what was loaded, s', ALL, [
      { what: 'to Ready', id: 'ready', kind: 'amount' },
      { what: 'to the first answer of an entity', id: 'first answer', kind: 'amount', floor: 5 },
    ]),
    of(
      'Memory, MiB: idle after the load',
      ALL,
      PROCESSES.map((name) => ({ what: name, id: `idle ${name}`, kind: 'amount' })),
    ),
    of(
      'Memory, MiB: the most until then',
      ALL,
      PROCESSES.map((name) => ({ what: name, id: `peak ${name}`, kind: 'amount' })),
    ),
    of('Processor time of the load until all have all, s', ALL, [
      ...[...PROCESSES, OURSELVES].map((name): Row => ({
        what: name,
        id: `cpu ${name}`,
        kind: 'amount',
      })),
      { what: 'by the clock', id: 'seconds', kind: 'amount' },
    ]),
  ]
    .filter((text) => text !== '')
    .join('\n\n');
}

function table(
  title: string,
  columns: Columns,
  rows: readonly Row[],
  results: Results<Way>,
): string {
  const measured = rows.filter(({ id }) => columns.some((way) => results.of(id, way)));
  if (measured.length === 0) return '';
  const hasFloor = rows.some(({ floor }) => floor !== undefined);
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const lines = measured.map((row) => {
    const cells = columns.map((way) => shown(results.of(row.id, way), row, way));
    return line([row.what, ...cells, ...(hasFloor ? [row.floor?.toString() ?? ''] : [])]);
  });
  const head = [title, ...columns.map((way) => TITLES[way]), ...(hasFloor ? ['floor'] : [])];
  return [line(head), `|${'---|'.repeat(head.length)}`, ...lines].join('\n');
}

/** The median, with a mark where a floor of the cluster is kept or missed. */
function shown(samples: readonly number[] | undefined, { kind, floor }: Row, way: Way): string {
  if (samples === undefined) return '–';
  const middle = median(samples);
  const text =
    kind === 'latency' ? `${figure(middle)} / ${figure(latency(samples).p99)}` : figure(middle);
  if (floor === undefined || way === 'embedded') return text;
  return `${text} ${(kind === 'rate' ? middle >= floor : middle <= floor) ? '✓' : '✗'}`;
}
