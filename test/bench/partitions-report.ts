import { figure, latency, median } from './measure.ts';
import { EMBEDDED, IN_FLIGHT, type PartitionColumn, SEQUENCERS } from './partitions-run.ts';
import type { Results } from './report.ts';

interface Row {
  readonly what: string;
  readonly id: string;
  readonly kind: 'rate' | 'latency';
}

const ROWS: readonly Row[] = [
  { what: 'commit on one partition, one in flight', id: 'commit one', kind: 'latency' },
  { what: 'commit over two partitions, one in flight', id: 'commit two', kind: 'latency' },
  {
    what: `transactions/s, ${IN_FLIGHT} in flight, each on one partition`,
    id: 'rate 0',
    kind: 'rate',
  },
  { what: 'the same, 10 % of them over two', id: 'rate 0.1', kind: 'rate' },
  { what: 'the same, all over two', id: 'rate 1', kind: 'rate' },
];

/** The tables as Markdown. */
export function partitionTables(results: Results<PartitionColumn>): string {
  return [
    table(
      'One process, ms: p50 / p99, and rates',
      EMBEDDED.map((n) => ({ column: `embedded ${n}` as const, title: `partitions: ${n}` })),
      results,
    ),
    table(
      'A cluster with eight partitions, over HTTP',
      SEQUENCERS.map((n) => ({ column: `cluster ${n}` as const, title: `sequencers: ${n}` })),
      results,
    ),
  ].join('\n');
}

interface Column {
  readonly column: PartitionColumn;
  readonly title: string;
}

function table(
  title: string,
  columns: readonly Column[],
  results: Results<PartitionColumn>,
): string {
  const rows = ROWS.map(({ what, id, kind }) => [
    what,
    ...columns.map(({ column }) => shown(results.of(id, column), kind)),
  ]);
  if (rows.every(([, ...cells]) => cells.every((cell) => cell === ''))) return '';
  return [
    `| ${title} | ${columns.map((each) => each.title).join(' | ')} |`,
    `|---|${columns.map(() => '---:|').join('')}`,
    ...rows.map((cells) => `| ${cells.join(' | ')} |`),
    '',
  ].join('\n');
}

function shown(samples: readonly number[] | undefined, kind: Row['kind']): string {
  if (samples === undefined || samples.length === 0) return '';
  if (kind === 'rate') return figure(median(samples));
  const { p50, p99 } = latency(samples);
  return `${figure(p50)} / ${figure(p99)}`;
}
