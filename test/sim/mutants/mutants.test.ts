/**
 * The simulation finds bugs: each of these is planted in the product's source as it is loaded (register.mjs), and
 * must be found within so many seeds. One that is not is a mistake of the simulation.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

interface Mutant {
  readonly what: string;
  readonly scenario: string;
  /** Seeds, from 1 on, within which it must be found. */
  readonly seeds: number;
  /** Of each run, where fewer than usual do. */
  readonly steps?: number;
}

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const MUTANTS = JSON.parse(
  readFileSync(new URL('./mutants.json', import.meta.url), 'utf8'),
) as Readonly<Record<string, Mutant>>;

/** What a run of the command prints, whether it ends well or not. */
async function simulate(args: readonly string[]): Promise<string> {
  const program = [
    '--import',
    './test/sim/mutants/register.mjs',
    '--import',
    'tsx',
    'test/sim/run.ts',
  ];
  const running = promisify(execFile)(
    process.execPath,
    ['--conditions=source', ...program, '--json', ...args],
    { cwd: ROOT, maxBuffer: 1e9 },
  );
  const { stdout, stderr } = await running.catch(
    (error: unknown) => error as { readonly stdout: string; readonly stderr: string },
  );
  return stdout === '' ? stderr : stdout;
}

test.each(Object.entries(MUTANTS).map(([name, mutant]) => ({ name, ...mutant })))(
  '$name: $what, found within $seeds seeds of $scenario',
  { timeout: 600_000 },
  async ({ name, scenario, seeds, steps = 2_000 }) => {
    const printed = await simulate([
      ...['--mutant', name, '--scenario', scenario],
      ...['--seed', '1', '--runs', String(seeds), '--steps', String(steps), '--first'],
    ]);
    const last = printed.trim().split('\n').at(-1) ?? '';
    expect(last, printed.slice(0, 1_000)).toMatch(/^\{"name"/);
    const { findings } = JSON.parse(last) as { readonly findings: readonly unknown[] };
    expect(findings.length).toBeGreaterThan(0);
  },
);

test('a mutant that nobody has planted is refused', async () => {
  expect(await simulate(['--mutant', 'none'])).toContain('There is no mutant none');
});
