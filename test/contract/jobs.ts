import { AssertionError } from '@pyralog/base';
import type { JobAttempt, JobJson, JobQueue } from '@pyralog/jobs';
import { isPyralogError, PyralogError } from '@pyralog/model';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

/** A queue under test, and the clock that its pauses go by. */
export interface JobsUnderTest {
  readonly queue: JobQueue;
  monotonicMillis(): number;
  close(): Promise<void>;
}

/** Small enough for a test to reach. */
export interface JobLimits {
  readonly jobsMax: number;
  readonly failedMax: number;
}

const LIMITS: JobLimits = { jobsMax: 50, failedMax: 5 };
/** How far clocks that count whole milliseconds may be apart. */
const TICK_MILLIS = 2;
const AT_ONCE = { firstMillis: 0, maxMillis: 0 };

/** What every adapter of JobQueue promises (libs/jobs/src/jobs.ts). */
export function jobsContract(
  name: string,
  make: (limits: JobLimits) => Promise<JobsUnderTest>,
): void {
  describe(`JobQueue: ${name}`, () => {
    let tested: JobsUnderTest;
    let queue: JobQueue;
    beforeEach(async () => {
      tested = await make(LIMITS);
      queue = tested.queue;
    });
    afterEach(() => tested.close());

    const add = (id: string, data: JobJson = null) => queue.add({ name: 'merge', id, data });

    describe('what is done', () => {
      test('a job gets its data, and whoever added it the result', async () => {
        const data = { keys: ['a/b', 'c'], level: 2, deep: [{ ok: true, none: null, text: 'ü' }] };
        const seen: Omit<JobAttempt, 'signal'>[] = [];
        await queue.work('merge', async ({ signal, ...attempt }) => {
          expect(signal.aborted).toBe(false);
          seen.push(attempt);
          return { bytes: 17, runs: ['x'] };
        });
        const { outcome, ended } = await add('plan-1', data);
        expect(outcome).toBe('queued');
        expect(await ended).toEqual({ bytes: 17, runs: ['x'] });
        expect(seen).toEqual([{ name: 'merge', id: 'plan-1', data, attempt: 1 }]);
        expect(await queue.counts('merge')).toEqual(counts({}));
      });

      test('data and results are copies of what was given', async () => {
        const data = { list: [1] };
        const result = { list: [2] };
        const adding = add('a', data);
        data.list.push(9);
        const added = await adding;
        data.list.push(9);
        const seen: JobJson[] = [];
        await queue.work('merge', async (attempt) => {
          seen.push(attempt.data);
          return result;
        });
        const got = await added.ended;
        result.list.push(9);
        expect(seen).toEqual([{ list: [1] }]);
        expect(got).toEqual({ list: [2] });
      });

      test('jobs wait for a worker, and begin in the order they were added', async () => {
        const ids = Array.from({ length: 20 }, (_, i) => `job-${i}`);
        const added = [];
        for (const id of ids) added.push(await add(id));
        expect(await queue.counts('merge')).toEqual(counts({ waiting: 20 }));
        const begun: string[] = [];
        await queue.work('merge', async ({ id }) => {
          begun.push(id);
          return null;
        });
        await Promise.all(added.map(({ ended }) => ended));
        expect(begun).toEqual(ids);
      });

      test('names are apart, with their jobs, ids, workers and failures', async () => {
        const done: string[] = [];
        const work = async ({ name: by, id }: JobAttempt): Promise<JobJson> => {
          done.push(`${by} ${id}`);
          if (by === 'collect') throw new PyralogError('object-missing', 'Not there.');
          return by;
        };
        await queue.work('collect', work);
        const merge = await add('same');
        const collect = await queue.add({ name: 'collect', id: 'same', data: null });
        expect(collect.outcome).toBe('queued');
        await refused('object-missing', () => collect.ended);
        expect(done).toEqual(['collect same']);
        expect(await queue.failed('merge')).toEqual([]);
        expect(await queue.counts('merge')).toEqual(counts({ waiting: 1 }));
        await queue.work('merge', work);
        expect(await merge.ended).toBe('merge');
      });

      test('a handler is never called from within add or work', async () => {
        let calling = false;
        const during: boolean[] = [];
        const call = <T>(start: () => Promise<T>): Promise<T> => {
          calling = true;
          const promise = start();
          calling = false;
          return promise;
        };
        const first = await call(() => add('before'));
        await call(() =>
          queue.work('merge', async () => {
            during.push(calling);
            return null;
          }),
        );
        await first.ended;
        const second = await call(() => add('after'));
        await second.ended;
        expect(during).toEqual([false, false]);
      });

      test('a job may add jobs, of its own name and its own id too', async () => {
        const again = new Gate();
        let rounds = 0;
        await queue.work('merge', async ({ id }) => {
          rounds++;
          if (rounds === 1) {
            expect((await add(id)).outcome).toBe('exists');
            const next = await add('next');
            void next.ended.then(() => again.open());
          }
          return null;
        });
        await (
          await add('first')
        ).ended;
        await again.opened;
        expect(rounds).toBe(2);
      });
    });

    describe('one job of an id', () => {
      test('while it waits, is active or in a pause, it is not queued again', async () => {
        const active = new Gate();
        const release = new Gate();
        const first = { name: 'merge', id: 'a', data: 'first data', pauses: AT_ONCE };
        const waiting = await queue.add(first);
        expect((await add('a', 'other data')).outcome).toBe('exists');
        const datas: JobJson[] = [];
        await queue.work('merge', async ({ data, attempt }) => {
          datas.push(data);
          if (attempt === 1) {
            active.open();
            await release.opened;
            throw new Error('once');
          }
          return 'done';
        });
        await active.opened;
        const whileActive = await add('a');
        expect(whileActive.outcome).toBe('exists');
        release.open();
        expect(await waiting.ended).toBe('done');
        expect(await whileActive.ended).toBe('done');
        expect(datas).toEqual(['first data', 'first data']);
      });

      test('in the pause after a failure it is still that job', async () => {
        const failed = new Gate();
        await queue.work('merge', async ({ attempt }) => {
          if (attempt > 1) return attempt;
          failed.open();
          throw new Error('once');
        });
        const pauses = { firstMillis: 300, maxMillis: 300 };
        const { ended } = await queue.add({ name: 'merge', id: 'a', data: null, pauses });
        await failed.opened;
        await eventually(async () => (await queue.counts('merge')).delayed === 1);
        const again = await add('a');
        expect(again.outcome).toBe('exists');
        expect(await ended).toBe(2);
        expect(await again.ended).toBe(2);
      });

      test('when it has ended, well or not, the id is free', async () => {
        let attempts = 0;
        await queue.work('merge', async () => {
          if (++attempts === 2) throw new PyralogError('object-damaged', 'Bytes.');
          return attempts;
        });
        expect(await (await add('a')).ended).toBe(1);
        await refused('object-damaged', async () => (await add('a')).ended);
        const third = await add('a');
        expect(third.outcome).toBe('queued');
        expect(await third.ended).toBe(3);
      });

      test('adders at once are one job', async () => {
        const added = await Promise.all(Array.from({ length: 10 }, () => add('a')));
        expect(added.filter(({ outcome }) => outcome === 'queued')).toHaveLength(1);
        expect((await queue.counts('merge')).waiting).toBe(1);
        let attempts = 0;
        await queue.work('merge', async () => ++attempts);
        expect(await Promise.all(added.map(({ ended }) => ended))).toEqual(
          Array.from({ length: 10 }, () => 1),
        );
      });
    });

    describe('workers', () => {
      test('a worker has no more on its hands than its concurrency, and no less', async () => {
        const crowd = new Crowd();
        await queue.work('merge', crowd.handler, { concurrency: 3 });
        const added = [];
        for (let i = 0; i < 9; i++) added.push(await add(`job-${i}`));
        await crowd.reaches(3);
        expect(await queue.counts('merge')).toEqual(counts({ active: 3, waiting: 6 }));
        for (let left = 9; left > 0; left--) {
          await crowd.reaches(Math.min(left, 3));
          crowd.releaseOne();
        }
        await Promise.all(added.map(({ ended }) => ended));
        expect(crowd.most).toBe(3);
      });

      test('a second worker of a name has hands of its own', async () => {
        const [one, two] = [new Crowd(), new Crowd()];
        await queue.work('merge', one.handler);
        await queue.work('merge', two.handler, { concurrency: 2 });
        const added = [];
        for (let i = 0; i < 6; i++) added.push(await add(`job-${i}`));
        await Promise.all([one.reaches(1), two.reaches(2)]);
        expect(await queue.counts('merge')).toEqual(counts({ active: 3, waiting: 3 }));
        one.releaseAll();
        two.releaseAll();
        await Promise.all(added.map(({ ended }) => ended));
        expect([one.most, two.most]).toEqual([1, 2]);
      });

      test('closing tells the attempts, waits for them, and takes no further job', async () => {
        const crowd = new Crowd();
        const worker = await queue.work('merge', crowd.handler, { concurrency: 2 });
        const [first, second, third] = [await add('1'), await add('2'), await add('3')];
        await crowd.reaches(2);
        const closing = closed(worker);
        await Promise.all(crowd.signals.map(aborted));
        expect(closing.yet).toBe(false);
        crowd.releaseOne();
        await first.ended;
        expect(closing.yet).toBe(false);
        crowd.releaseOne();
        await closing.promise;
        await second.ended;
        expect(await queue.counts('merge')).toEqual(counts({ waiting: 1 }));
        expect(crowd.begun).toBe(2);
        await queue.work('merge', async () => 'by another');
        expect(await third.ended).toBe('by another');
      });

      test('what a closing worker leaves waits again, first of all, and has not failed', async () => {
        const begun = new Gate();
        const worker = await queue.work('merge', async ({ signal }) => {
          begun.open();
          await aborted(signal);
          throw new Error('in the middle');
        });
        const left = await queue.add({ name: 'merge', id: 'left', data: null, attemptsMax: 1 });
        const behind = await add('behind');
        await begun.opened;
        await worker[Symbol.asyncDispose]();
        expect(await queue.counts('merge')).toEqual(counts({ waiting: 2 }));
        const seen: string[] = [];
        await queue.work('merge', async ({ id, attempt }) => {
          seen.push(`${id} ${attempt}`);
          return null;
        });
        await Promise.all([left.ended, behind.ended]);
        expect(seen).toEqual(['left 1', 'behind 1']);
        expect(await queue.failed('merge')).toEqual([]);
      });

      test('a worker closes when it has nothing to do, and twice', async () => {
        const worker = await queue.work('merge', async () => null);
        await worker[Symbol.asyncDispose]();
        await worker[Symbol.asyncDispose]();
        await add('a');
        expect(await queue.counts('merge')).toEqual(counts({ waiting: 1 }));
      });
    });

    describe('failures', () => {
      test('an attempt that fails is repeated after pauses that double up to a bound', async () => {
        const begun: number[] = [];
        const failed: number[] = [];
        await queue.work('merge', async ({ attempt }) => {
          begun.push(tested.monotonicMillis());
          if (attempt === 4) return 'at last';
          failed.push(tested.monotonicMillis());
          throw new Error(`attempt ${attempt}`);
        });
        const { ended } = await queue.add({
          name: 'merge',
          id: 'a',
          data: null,
          attemptsMax: 4,
          pauses: { firstMillis: 40, maxMillis: 90 },
        });
        expect(await ended).toBe('at last');
        const pauses = failed.map((at, i) => (begun[i + 1] as number) - at);
        for (const [i, least] of [40, 80, 90].entries())
          expect(pauses[i]).toBeGreaterThanOrEqual(least - TICK_MILLIS);
        expect(await queue.failed('merge')).toEqual([]);
      });

      test('a job in its pause holds up no other', async () => {
        const order: string[] = [];
        await queue.work('merge', async ({ id, attempt }) => {
          order.push(`${id} ${attempt}`);
          if (id === 'a' && attempt === 1) throw new Error('once');
          return null;
        });
        const pauses = { firstMillis: 100, maxMillis: 100 };
        const first = await queue.add({ name: 'merge', id: 'a', data: null, pauses });
        const second = await add('b');
        await second.ended;
        await first.ended;
        expect(order).toEqual(['a 1', 'b 1', 'a 2']);
      });

      test('after its last attempt it has failed: told, counted and listed', async () => {
        let attempts = 0;
        await queue.work('merge', async () => {
          attempts++;
          throw new PyralogError('storage-failed', `Attempt ${attempts} met a broken disk.`);
        });
        const data = { keys: ['x'] };
        const job = { name: 'merge', id: 'a', data, attemptsMax: 3, pauses: AT_ONCE };
        const error = await refused('storage-failed', async () => (await queue.add(job)).ended);
        expect(error.message).toBe('Attempt 3 met a broken disk.');
        expect(attempts).toBe(3);
        expect(await queue.counts('merge')).toEqual(counts({ failed: 1 }));
        const [failed, ...others] = await queue.failed('merge');
        expect(others).toEqual([]);
        expect(failed).toEqual({
          name: 'merge',
          id: 'a',
          data,
          attempts: 3,
          code: 'storage-failed',
          reason: 'Attempt 3 met a broken disk.',
          failedAtMillis: expect.any(Number) as number,
        });
        expect(Number.isInteger(failed?.failedAtMillis)).toBe(true);
      });

      test('what will never work is not tried again', async () => {
        const attempts: string[] = [];
        await queue.work('merge', async ({ id }) => {
          attempts.push(id);
          if (id === 'refused') throw new PyralogError('object-damaged', 'The run is damaged.');
          if (id === 'defect') throw new AssertionError('rows are sorted');
          // Not JSON, which the type would have told.
          return { bytes: 1n } as unknown as JobJson;
        });
        for (const [id, code] of [
          ['refused', 'object-damaged'],
          ['defect', 'internal'],
          ['no-json', 'internal'],
        ] as const)
          await refused(code, async () => (await add(id)).ended);
        expect(attempts).toEqual(['refused', 'defect', 'no-json']);
        const failed = await queue.failed('merge');
        expect(failed.map(({ id, attempts: made }) => [id, made])).toEqual([
          ['no-json', 1],
          ['defect', 1],
          ['refused', 1],
        ]);
        expect(failed[1]?.reason).toBe('rows are sorted');
      });

      test('an error of another kind is internal, and a long sentence is cut', async () => {
        await queue.work('merge', async () => {
          throw new TypeError('x'.repeat(5_000));
        });
        const job = { name: 'merge', id: 'a', data: null, attemptsMax: 1 };
        const error = await refused('internal', async () => (await queue.add(job)).ended);
        expect(error.message).toBe('x'.repeat(1_000));
        expect((await queue.failed('merge'))[0]?.reason).toBe('x'.repeat(1_000));
      });

      test('the newest failed jobs are kept, newest first, and one may be there twice', async () => {
        await queue.work('merge', async ({ id }) => {
          throw new PyralogError('object-missing', id);
        });
        for (const id of ['a', 'b', 'c', 'd', 'b', 'e', 'f'])
          await refused('object-missing', async () => (await add(id)).ended);
        const failed = await queue.failed('merge');
        expect(failed.map(({ id }) => id)).toEqual(['f', 'e', 'b', 'd', 'c']);
        expect((await queue.counts('merge')).failed).toBe(LIMITS.failedMax);
      });

      test('every job ends once, with its own end', async () => {
        const plan = fc.record({
          failures: fc.nat(4),
          attemptsMax: fc.integer({ min: 1, max: 4 }),
        });
        await fc.assert(
          fc.asyncProperty(
            fc.array(plan, { minLength: 1, maxLength: 20 }),
            fc.integer({ min: 1, max: 4 }),
            async (plans, concurrency) => {
              const made = plans.map(() => 0);
              await using _ = await queue.work(
                'merge',
                async ({ data, attempt }) => {
                  const i = data as number;
                  made[i] = (made[i] as number) + 1;
                  expect(attempt).toBe(made[i]);
                  if (attempt <= (plans[i]?.failures ?? 0)) throw new Error('planned');
                  return i;
                },
                { concurrency },
              );
              const ends = plans.map(async ({ attemptsMax }, i) => {
                const job = { name: 'merge', id: `p${i}`, data: i, attemptsMax, pauses: AT_ONCE };
                return (await queue.add(job)).ended.catch(() => 'failed');
              });
              expect(await Promise.all(ends)).toEqual(
                plans.map(({ failures, attemptsMax }, i) =>
                  failures < attemptsMax ? i : 'failed',
                ),
              );
              expect(made).toEqual(
                plans.map(({ failures, attemptsMax }) => Math.min(failures + 1, attemptsMax)),
              );
            },
          ),
          { numRuns: 10 },
        );
      });
    });

    describe('bounds and the end', () => {
      test('too many jobs that have not ended are refused until some have', async () => {
        for (let i = 0; i < LIMITS.jobsMax; i++) await add(`job-${i}`);
        await refused('busy', () => add('one-more'));
        expect((await add('job-0')).outcome).toBe('exists');
        await queue.add({ name: 'collect', id: 'other-name', data: null });
        const done = new Gate();
        await queue.work('merge', async ({ id }) => {
          if (id === `job-${LIMITS.jobsMax - 1}`) done.open();
          return null;
        });
        await done.opened;
        await eventually(async () => (await queue.counts('merge')).active === 0);
        expect(await (await add('one-more')).ended).toBeNull();
      });

      test('closing the queue closes its workers; what has not ended is told so', async () => {
        const crowd = new Crowd();
        await queue.work('merge', crowd.handler);
        const [active, waiting] = [await add('active'), await add('waiting')];
        await crowd.reaches(1);
        const closing = closed(queue);
        await aborted(crowd.signals[0] as AbortSignal);
        expect(closing.yet).toBe(false);
        crowd.releaseAll();
        await closing.promise;
        expect(await active.ended).toBe('released');
        await refused('stopping', () => waiting.ended);
        expect(crowd.begun).toBe(1);
        await queue[Symbol.asyncDispose]();
      });

      test('a closed queue refuses every call', async () => {
        await queue[Symbol.asyncDispose]();
        await refused('stopping', () => add('a'));
        await refused('stopping', () => queue.work('merge', async () => null));
        await refused('stopping', () => queue.failed('merge'));
        await refused('stopping', () => queue.counts('merge'));
      });

      test('a bad name, id, bound or data is a defect of the caller', async () => {
        const itself: unknown[] = [];
        itself.push(itself);
        const job = { name: 'merge', id: 'a', data: null };
        for (const bad of [
          { ...job, name: 'Merge' },
          { ...job, name: '' },
          { ...job, id: '' },
          { ...job, id: 'a:b' },
          { ...job, id: 'x'.repeat(201) },
          { ...job, attemptsMax: 0 },
          { ...job, pauses: { firstMillis: 10, maxMillis: 5 } },
          { ...job, data: Number.NaN },
          { ...job, data: 1n as unknown as JobJson },
          { ...job, data: undefined as unknown as JobJson },
          { ...job, data: new Date(0) as unknown as JobJson },
          { ...job, data: { a: undefined } as unknown as JobJson },
          { ...job, data: itself as JobJson },
          { ...job, data: 'x'.repeat(256 * 1024) },
        ])
          await expect(queue.add(bad)).rejects.toThrow(AssertionError);
        await expect(queue.work('merge', async () => null, { concurrency: 0 })).rejects.toThrow(
          AssertionError,
        );
        await expect(queue.counts('a b')).rejects.toThrow(AssertionError);
        await expect(queue.failed('a/b')).rejects.toThrow(AssertionError);
        const good = { ...job, id: 'a/B.c_d-9'.padEnd(200, 'x'), data: 'x'.repeat(256 * 1024 - 2) };
        expect((await queue.add(good)).outcome).toBe('queued');
      });
    });
  });
}

/** A promise that somebody opens. */
class Gate {
  open: () => void = () => undefined;
  readonly opened: Promise<void> = new Promise((resolve) => {
    this.open = resolve;
  });
}

/** Attempts that stay until they are released, oldest first. */
class Crowd {
  readonly signals: AbortSignal[] = [];
  readonly #inside: Gate[] = [];
  readonly #expected: { readonly size: number; readonly gate: Gate }[] = [];
  #open = false;
  begun = 0;
  most = 0;

  readonly handler = async ({ signal }: JobAttempt): Promise<JobJson> => {
    const gate = new Gate();
    this.begun++;
    this.signals.push(signal);
    this.#inside.push(gate);
    this.most = Math.max(this.most, this.#inside.length);
    for (const { size, gate: reached } of this.#expected)
      if (this.#inside.length >= size) reached.open();
    if (this.#open) this.releaseOne();
    await gate.opened;
    return 'released';
  };

  /** Resolves when at least so many are inside at once. */
  async reaches(size: number): Promise<void> {
    const gate = new Gate();
    this.#expected.push({ size, gate });
    if (this.#inside.length >= size) return;
    await gate.opened;
  }

  releaseOne(): void {
    this.#inside.shift()?.open();
  }

  /** Those who come later too. */
  releaseAll(): void {
    this.#open = true;
    while (this.#inside.length > 0) this.releaseOne();
  }
}

/** Disposes of something, and tells whether it has ended yet. */
function closed(what: AsyncDisposable): { readonly promise: Promise<void>; yet: boolean } {
  const state = { promise: Promise.resolve(), yet: false };
  state.promise = (async () => {
    await what[Symbol.asyncDispose]();
    state.yet = true;
  })();
  return state;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

const counts = (some: Partial<Record<'waiting' | 'delayed' | 'active' | 'failed', number>>) => ({
  waiting: 0,
  delayed: 0,
  active: 0,
  failed: 0,
  ...some,
});

/** What an adapter tells of only when asked is asked again until it is so; the test's time limit ends it. */
async function eventually(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve));
}

async function refused(code: string, call: () => Promise<unknown>): Promise<PyralogError> {
  const error = await call().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(isPyralogError(error) ? error.code : error).toBe(code);
  return error as PyralogError;
}
