/**
 * Whole processes of the product in worlds where everything fails that may, by seed: `npm run sim -- --seed N`
 * replays one. Kept runs come first.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { FAULT_NAMES, faultTable, flatChoices, tapeChoices } from '@pyralog/sim';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import type { SeedFile } from './seed-file.ts';
import {
  type Report,
  type RunOptions,
  runSeed,
  runWorld,
  SCENARIOS,
  shrinkRun,
} from './simulate.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SEEDS = new URL('./seeds/', import.meta.url);
/** Steps of a run with faults. */
const STEPS = 2_000;
const FIRST = Number(process.env['PYRALOG_SEED'] ?? 1);
/** Of each scenario; others get a part of it. */
const RUNS = Number(process.env['PYRALOG_SIMS'] ?? 100);
const SHARES: Readonly<Record<string, number>> = {
  cluster: 1,
  queue: 0.6,
  databases: 0.2,
  partitions: 1.2,
};
/** What must have happened to transactions over partitions, whatever else did. */
const OF_SEVERAL = [
  'begun',
  'decided',
  'wide',
  'retries',
  'extends',
  'refused',
  'prepared',
  'aborted',
  'takeoversOfCoordinators',
  'takeoversOfParticipants',
  'copiesInFlight',
];
/** Kinds of documents, each of which must have been committed. */
const KINDS = ['transfer', 'transferIf', 'deal', 'audit', 'append', 'readAppend', 'claim', 'move'];
const MORE_KINDS = ['swap', 'release', 'upsert', 'unique', 'many', 'use', 'retract', 'nothing'];
/** A failing run is made smaller at most this often before it is shown. */
const TRIES_MAX = 60;

const seen = { faults: new Set<string>(), counts: new Map<string, number>() };

function note({ faults, counts }: Report): void {
  for (const fault of faults) seen.faults.add(fault.split(' ')[0] ?? '');
  for (const [what, count] of Object.entries(counts))
    seen.counts.set(what, (seen.counts.get(what) ?? 0) + count);
}

/** Fails with what was found, how to see it again, and a tape to keep. */
async function expectNothingFound(report: Report, options: RunOptions, how: string): Promise<void> {
  if (report.findings.length === 0) return;
  const { tape, after, before } = await shrinkRun(report, options, TRIES_MAX);
  const lines = [
    ...report.findings.slice(0, 10).map(({ check, what }) => `${check}: ${what}`),
    `faults: ${report.faults.join(', ')}`,
    `again: ${how}`,
    `tape (${after.faults} choices that are not calm, of ${before.faults}):`,
    JSON.stringify({ note: '', scenario: options.scenario, steps: options.steps, tape }),
  ];
  expect.fail(lines.join('\n'));
}

describe('kept runs', () => {
  const files = readdirSync(SEEDS).filter((name) => name.endsWith('.json'));

  test.each(files)('%s', async (name) => {
    const { scenario, steps, tape } = JSON.parse(
      readFileSync(new URL(name, SEEDS), 'utf8'),
    ) as SeedFile;
    const options = { scenario, steps };
    const report = await runWorld(tapeChoices(tape), options);
    await expectNothingFound(report, options, `npm run sim -- --tape test/sim/seeds/${name}`);
  });

  test('there are some', () => {
    expect(files.length).toBeGreaterThan(0);
  });
});

describe('a run', () => {
  const options = { scenario: 'cluster', steps: 500 };
  const brief = ({ hash, steps, virtualMillis, interleavedPicks, counts }: Report): unknown => ({
    hash,
    steps,
    virtualMillis,
    interleavedPicks,
    counts,
  });

  test('is told by its seed, and again by its tape', async () => {
    const hashes = new Set<string>();
    for (const scenario of Object.keys(SCENARIOS)) {
      for (const seed of [1, 2, 3]) {
        const one = await runSeed(seed, { ...options, scenario });
        const again = await runSeed(seed, { ...options, scenario });
        const replayed = await runWorld(tapeChoices(one.tape), { ...options, scenario });
        expect(brief(again)).toEqual(brief(one));
        expect(brief(replayed)).toEqual(brief(one));
        hashes.add(one.hash);
      }
    }
    expect(hashes.size).toBe(3 * Object.keys(SCENARIOS).length);
  });

  const other = process.version.startsWith('v22.') ? '24' : '22';
  const found = spawnSync('sh', ['infra/scripts/node.sh', other], { cwd: ROOT, encoding: 'utf8' });
  const reason = found.status === 0 ? '' : `there is no Node ${other}`;
  test.skipIf(reason !== '' && process.env['CI'] !== 'true')(
    `is the same on Node ${other} ${reason}`,
    async () => {
      expect(reason).toBe('');
      const args = ['--conditions=source', '--import', 'tsx', 'test/sim/run.ts', '--json'];
      const { stdout } = spawnSync(
        `${found.stdout.trim()}/node`,
        [...args, '--seed', '1', '--runs', '3', '--steps', '500', '--scenario', 'cluster'],
        { cwd: ROOT, encoding: 'utf8' },
      );
      const there = stdout
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as Report).hash);
      const here = await Promise.resolve([1, 2, 3]).then(async (seeds) => {
        const hashes: string[] = [];
        for (const seed of seeds) hashes.push((await runSeed(seed, options)).hash);
        return hashes;
      });
      expect(there).toEqual(here);
    },
  );

  test('is anything that chance may choose', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(60), { maxLength: 2_000 }), async (list) => {
        const { findings } = await runWorld(flatChoices(list), options);
        expect(findings).toEqual([]);
      }),
      { numRuns: 10, seed: FIRST },
    );
  });
});

describe('by seeds', () => {
  const counts = Object.entries(SHARES).map(
    ([scenario, share]) => [scenario, Math.ceil(RUNS * share)] as const,
  );

  test.each(counts)(
    '%s: nothing is found in %d runs',
    { timeout: 3_600_000 },
    async (scenario, runs) => {
      const options = { scenario, steps: STEPS };
      for (let seed = FIRST; seed < FIRST + runs; seed++) {
        const report = await runSeed(seed, options);
        note(report);
        const how = `npm run sim -- --scenario ${scenario} --seed ${seed} --steps ${STEPS}`;
        await expectNothingFound(report, options, how);
      }
    },
  );

  test('every fault was on, and everything happened that is looked at', () => {
    expect([...seen.faults].sort()).toEqual([...FAULT_NAMES].sort());
    for (const what of [
      'kills',
      'pauses',
      'cutOffs',
      'clockJumps',
      'void',
      'duplicate',
      'rejected',
    ])
      expect(seen.counts.get(what), what).toBeGreaterThan(RUNS / 2);
    for (const what of ['owners', 'commits', 'samples', 'acknowledged', 'objects'])
      expect(seen.counts.get(what), what).toBeGreaterThan(2 * RUNS);
    for (const what of OF_SEVERAL) expect(seen.counts.get(what) ?? 0, what).toBeGreaterThan(0);
    for (const kind of [...KINDS, ...MORE_KINDS])
      expect(seen.counts.get(`of ${kind}`) ?? 0, kind).toBeGreaterThan(0);
  });

  afterAll(() => {
    const counted = [...seen.counts].map(([what, count]) => `${what} ${count}`);
    process.stdout.write(`${faultTable()}\nsimulated: ${counted.join(', ')}\n`);
  });
});
