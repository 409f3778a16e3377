import { isDeepStrictEqual } from 'node:util';
import { timed } from './measure.ts';
import type { Reading, Store } from './store.ts';
import type { Draws } from './workload.ts';

/** A kind of read: its draws, how each is asked, and the answer that must come. */
export interface ReadKind {
  readonly id: string;
  readonly count: number;
  readonly ask: (store: Store, draw: number) => Promise<Reading<unknown>>;
  readonly expected: (draw: number) => unknown;
}

function kind<D>(
  id: string,
  draws: readonly D[],
  ask: (store: Store, draw: D) => Promise<Reading<unknown>>,
  expected: (draw: D) => unknown,
): ReadKind {
  return {
    id,
    count: draws.length,
    ask: (store, draw) => ask(store, draws[draw] as D),
    expected: (draw) => expected(draws[draw] as D),
  };
}

/**
 * The reads of the workload at the state after W2.
 * @param counts times that people are counted by city, of those the workload draws
 */
export function readKinds(draws: Draws, counts: number): ReadKind[] {
  const { R1, R2, R3, R3z, R4, R4z, R5, R6, R7, R8, R9 } = draws;
  const shape = ({ datoms, versions }: Draws['R4'][number]): unknown => ({ datoms, versions });
  const times = Array.from({ length: counts }, (_, i) => i);
  return [
    kind(
      'R1',
      R1,
      (store, { e, a }) => store.value(e, a),
      ({ x }) => x,
    ),
    kind(
      'R2',
      R2,
      (store, { e }) => store.person(e),
      ({ x }) => x,
    ),
    kind(
      'R3',
      R3,
      (store, { e, t }) => store.person(e, t),
      ({ x }) => x,
    ),
    kind(
      'R3z',
      R3z,
      (store, { e, t }) => store.person(e, t),
      ({ x }) => x,
    ),
    kind('R4', R4, (store, { e }) => store.history(e), shape),
    kind('R4z', R4z, (store, { e }) => store.history(e), shape),
    kind(
      'R5',
      R5,
      (store, { email }) => store.nameByEmail(email),
      ({ x }) => x,
    ),
    kind(
      'R6',
      times,
      (store) => store.peopleByCity(),
      () => R6.x,
    ),
    kind(
      'R7',
      times,
      (store) => store.peopleByCity(R7.t),
      () => R7.x,
    ),
    kind(
      'R8',
      R8,
      (store, { e }) => store.twoHops(e),
      ({ x }) => x,
    ),
    kind(
      'R9',
      R9,
      (store, { t }) => store.transaction(t),
      ({ datoms, ents }) => ({ datoms, ents }),
    ),
  ];
}

/** Draws that are asked once before the clock counts. */
const WARM_UP = 50;

/** Asks every `step`th draw from `first` on. @returns milliseconds each */
export async function read(
  store: Store,
  { id, count, ask, expected }: ReadKind,
  first: number,
  step: number,
): Promise<number[]> {
  const samples: number[] = [];
  if (first === 0 && count > WARM_UP)
    for (let draw = 0; draw < WARM_UP; draw++) await ask(store, draw);
  for (let draw = first; draw < count; draw += step) {
    let reading: Reading<unknown> = () => undefined;
    samples.push(await timed(async () => (reading = await ask(store, draw))));
    const answer = reading();
    if (!isDeepStrictEqual(answer, expected(draw))) {
      throw new Error(
        `${id}, draw ${draw}: ${JSON.stringify(answer)} instead of ${JSON.stringify(expected(draw))}`,
      );
    }
  }
  return samples;
}
