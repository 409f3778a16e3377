import { figure, latency, median } from './measure.ts';

/** Which store a figure is of. `pyralog` is for what is neither in process nor over HTTP: files, commands. */
export type Column = 'embedded' | 'http' | 'pyralog' | 'postgres';

/** Raw figures by row and column: a rate or an amount a round, or a duration a call. */
export class Results<C extends string = Column> {
  readonly #samples = new Map<string, number[]>();

  add(id: string, column: C, ...samples: readonly number[]): void {
    const key = `${id} ${column}`;
    const all = this.#samples.get(key) ?? [];
    this.#samples.set(key, all);
    for (const sample of samples) all.push(sample);
  }

  of(id: string, column: C): readonly number[] | undefined {
    return this.#samples.get(`${id} ${column}`);
  }

  toJSON(): Record<string, readonly number[]> {
    return Object.fromEntries(
      [...this.#samples].map(([key, samples]) => [
        key,
        samples.map((sample) => Number(sample.toPrecision(5))),
      ]),
    );
  }
}

/**
 * A line of the table. `rate`: the more the better, median of the rounds. `amount`: the less the better, the
 * same. `latency`: p50 and p99 of all calls. Goal and floor are of the median, or of [p50, p99].
 */
interface Row {
  readonly id: string;
  readonly column: Exclude<Column, 'postgres'>;
  readonly what: string;
  readonly kind: 'rate' | 'amount' | 'latency';
  readonly goal?: Bound | undefined;
  readonly floor?: Bound | undefined;
}

type Bound = number | readonly [number | undefined, number];

interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
}

const WHERE = { embedded: 'in process', http: 'over HTTP', pyralog: '' } as const;

/** Both ways to the database, with the goals of the way in process and the floors of each. */
function both(
  id: string,
  what: string,
  kind: Row['kind'],
  goal?: Bound,
  floors: readonly [Bound?, Bound?] = [],
): Row[] {
  return [
    { id, column: 'embedded', what, kind, goal, floor: floors[0] },
    { id, column: 'http', what, kind, floor: floors[1] },
  ];
}

const one = (id: string, what: string, kind: Row['kind'], goal?: Bound, floor?: Bound): Row => ({
  id,
  column: 'pyralog',
  what,
  kind,
  goal,
  floor,
});

const SECTIONS: readonly Section[] = [
  {
    title: 'Loading, facts/s',
    rows: [
      ...both('W1 acknowledged', 'W1: 1,000 facts a transaction, 4 in flight', 'rate'),
      ...both('W1', 'the same until indexes are flushed', 'rate', 200e3, [100e3]),
      ...both('W2 acknowledged', 'W2: updates of 10 facts, 20 in flight', 'rate'),
      ...both('W2', 'the same until indexes are flushed', 'rate', 60e3, [50e3]),
    ],
  },
  {
    title: 'Small documents of three facts, documents/s',
    rows: [
      ...both('W4 1 1', 'W4: batches of 1, one in flight', 'rate', 3.5e3),
      ...both('W4 1 20', 'W4: batches of 1, 20 in flight', 'rate', 40e3),
      ...both('W4 1000 1', 'W4: batches of 1,000, one in flight', 'rate', 70e3),
      ...both('W4 1000 20', 'W4: batches of 1,000, 20 in flight', 'rate', 70e3),
    ],
  },
  {
    title: 'Single commits, ms: p50 / p99',
    rows: [
      ...both('W3 1', 'W3: one fact replaced', 'latency', [0.3, 2], [0.6, 1.5]),
      ...both('W3 10', 'W3: ten facts replaced', 'latency', 0.4),
      ...both('W3 100', 'W3: a hundred facts replaced', 'latency', 1.2),
    ],
  },
  {
    title: 'Reads, ms: p50 / p99',
    rows: [
      ...both('R1', 'R1: one value', 'latency', 0.004),
      ...both('R2', 'R2: entity now', 'latency', 0.009, [0.05, 0.8]),
      ...both('R3', 'R3: entity as of', 'latency', [0.015, 0.06], [0.1, 1.6]),
      ...both('R3z', 'R3z: hot entity as of', 'latency', [undefined, 0.1]),
      ...both('R4', 'R4: history', 'latency', 0.01, [0.1, 1.6]),
      ...both('R4z', 'R4z: history of a hot entity', 'latency', [undefined, 10]),
      ...both('R5', 'R5: name by unique e-mail', 'latency', 0.005),
      ...both('R6', 'R6: count by city now', 'latency', 5),
      ...both('R7', 'R7: count by city as of', 'latency', 20),
      ...both('R8', 'R8: two hops', 'latency', 0.011),
      ...both('R9', 'R9: facts of a transaction', 'latency', 0.03),
    ],
  },
  {
    title: 'Bytes on disk for each assertion or retraction',
    rows: [
      one('bytes', 'everything', 'amount', 50),
      one('bytes log', 'log', 'amount'),
      one('bytes segments', 'segments', 'amount'),
      one('bytes runs eavt', 'runs eavt', 'amount'),
      one('bytes runs aevt', 'runs aevt', 'amount'),
      one('bytes runs avet', 'runs avet', 'amount'),
      one('bytes runs vaet', 'runs vaet', 'amount'),
    ],
  },
  {
    title: 'Start (s), memory (MiB) and import (s)',
    rows: [
      one('ready empty', '`./pyralog dev` to Ready, empty folder, s', 'amount', undefined, 1.5),
      one('ready', '`./pyralog dev` to Ready, after W1 and W2, s', 'amount', undefined, 3),
      one('first answer', 'start to first answer, after W1 and W2, s', 'amount', 0.3),
      one('idle empty', 'resident after 5 s idle, empty folder, MiB', 'amount', undefined, 200),
      one('idle', 'resident after 5 s idle, after W1 and W2, MiB', 'amount', undefined, 200),
      one('memory', 'resident after all reads and commits, MiB', 'amount', 500),
      ...both('import', '`pyralog import git`, whole command, s', 'amount', undefined, [30, 30]),
    ],
  },
];

/** The tables as Markdown; a row that was not measured is left out. */
export function tables(results: Results): string {
  return SECTIONS.flatMap(({ title, rows }) => {
    const lines = rows.flatMap((row) => lineOf(row, results) ?? []);
    if (lines.length === 0) return [];
    return [
      [`| ${title} | Pyralog | PostgreSQL | ratio | goal | floor |`, '|---|---|---|---|---|---|']
        .concat(lines)
        .join('\n'),
    ];
  }).join('\n\n');
}

function lineOf(row: Row, results: Results): string | undefined {
  const { id, column, what, kind, goal, floor } = row;
  const ours = results.of(id, column);
  if (ours === undefined) return undefined;
  const theirs = results.of(id, 'postgres');
  const cells = [
    WHERE[column] === '' ? what : `${what}, ${WHERE[column]}`,
    shown(ours, kind),
    theirs === undefined ? '–' : shown(theirs, kind),
    theirs === undefined ? '–' : `${ratio(ours, theirs, kind).toPrecision(2)} ×`,
    bound(goal, ours, kind),
    bound(floor, ours, kind),
  ];
  return `| ${cells.join(' | ')} |`;
}

function shown(samples: readonly number[], kind: Row['kind']): string {
  if (kind !== 'latency') return figure(median(samples));
  const { p50, p99 } = latency(samples);
  return `${figure(p50)} / ${figure(p99)}`;
}

/** How many times better than the other: of rates, and of what should be little, the median. */
function ratio(ours: readonly number[], theirs: readonly number[], kind: Row['kind']): number {
  const quotient = median(ours) / median(theirs);
  return kind === 'rate' ? quotient : 1 / quotient;
}

/** A bound, with a mark that tells whether it is kept. */
function bound(given: Bound | undefined, samples: readonly number[], kind: Row['kind']): string {
  if (given === undefined) return '';
  const [p50, p99] = typeof given === 'number' ? [given, undefined] : given;
  const found = latency(samples);
  const kept =
    kind === 'rate'
      ? median(samples) >= (p50 ?? 0)
      : found.p50 <= (p50 ?? Number.POSITIVE_INFINITY) &&
        found.p99 <= (p99 ?? Number.POSITIVE_INFINITY);
  const texts = p99 === undefined ? [p50] : [p50, p99];
  return `${texts.map(round).join(' / ')} ${kept ? '✓' : '✗'}`;
}

function round(value: number | undefined): string {
  if (value === undefined) return '–';
  return value >= 1e4 ? figure(value) : String(value);
}
