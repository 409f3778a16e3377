/**
 * Runs simulated worlds by hand.
 *
 *   npm run sim -- --seed 7                     one seed: its hash, its faults, what was found
 *   npm run sim -- --seed 7 --runs 200          the seeds from 7 on
 *   npm run sim -- --minutes 30                 seeds until the time is over
 *   npm run sim -- --tape FILE               the choices of a kept run, as those of test/sim/seeds
 *   npm run sim -- --mutant noSeq --first       a planted bug, until it is found (test/sim/mutants/mutants.json)
 *   npm run sim -- --table                      the faults, and what each component must make of them
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { faultTable, tapeChoices } from '@pyralog/sim';
import type { SeedFile } from './seed-file.ts';
import {
  type Report,
  type RunOptions,
  runSeed,
  runWorld,
  SCENARIOS,
  shrinkRun,
} from './simulate.ts';

const { values: given } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    runs: { type: 'string' },
    minutes: { type: 'string' },
    steps: { type: 'string', default: '2000' },
    scenario: { type: 'string' },
    tape: { type: 'string' },
    shrink: { type: 'string', default: '200' },
    trace: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    first: { type: 'boolean', default: false },
    table: { type: 'boolean', default: false },
    // Taken by mutants/register.mjs.
    mutant: { type: 'string' },
  },
});

const print = (line: string): void => void process.stdout.write(`${line}\n`);

function printReport(name: string, report: Report, scenario: string): void {
  const { hash, steps, quietSteps, virtualMillis, interleavedPicks, faults, counts } = report;
  const { findings, trace } = report;
  if (given.json) return print(JSON.stringify({ name, scenario, hash, steps, findings }));
  print(
    `${name} ${scenario}: ${hash}, ${steps} steps (${quietSteps} quiet), ${virtualMillis} ms, ${interleavedPicks} interleaved, ${findings.length} findings`,
  );
  if ((given.runs ?? given.minutes) !== undefined && findings.length === 0) return;
  print(`  faults: ${faults.length === 0 ? 'none' : faults.join(', ')}`);
  print(
    `  ${Object.entries(counts)
      .map(([what, count]) => `${what} ${count}`)
      .join(', ')}`,
  );
  for (const { check, what } of findings.slice(0, 20)) print(`  ${check}: ${what}`);
  if (given.trace) for (const line of trace) print(`  | ${line}`);
}

async function printShrunk(report: Report, options: RunOptions): Promise<void> {
  const { tape, tries, before, after } = await shrinkRun(report, options, Number(given.shrink));
  const { findings } = await runWorld(tapeChoices(tape), options);
  print(
    `  shrunk in ${tries} tries: ${before.choices} choices (${before.faults} not calm) to ${after.choices} (${after.faults})`,
  );
  for (const { check, what } of findings.slice(0, 5)) print(`  ${check}: ${what}`);
  const note = findings[0]?.what ?? '';
  const file: SeedFile = { note, scenario: options.scenario, steps: options.steps, tape };
  print(JSON.stringify(file));
}

let failed = 0;
let steps = 0;
/** `--first`: one run that fails is enough. */
const isEnough = (): boolean => given.first && failed > 0;
const began = performance.now();
if (given.table) print(faultTable());
else if (given.tape !== undefined) {
  const { scenario, steps: long, tape } = JSON.parse(readFileSync(given.tape, 'utf8')) as SeedFile;
  const report = await runWorld(tapeChoices(tape), {
    scenario,
    steps: long,
    keepTrace: given.trace,
  });
  printReport(given.tape, report, scenario);
  failed += report.findings.length;
} else {
  const names = given.scenario === undefined ? Object.keys(SCENARIOS) : [given.scenario];
  const endMillis =
    given.minutes === undefined ? undefined : began + Number(given.minutes) * 60_000;
  const runs = Number(given.runs ?? (endMillis === undefined ? 1 : Number.POSITIVE_INFINITY));
  const isLate = (): boolean => endMillis !== undefined && performance.now() >= endMillis;
  const sums = new Map<string, number>();
  let seeds = 0;
  for (let run = 0; run < runs && !isEnough() && !isLate(); run++) {
    const seed = Number(given.seed) + run;
    seeds++;
    for (const scenario of names) {
      if (isEnough()) break;
      const options = { scenario, steps: Number(given.steps), keepTrace: given.trace };
      const report = await runSeed(seed, options);
      steps += report.steps;
      for (const [what, count] of Object.entries(report.counts))
        sums.set(what, (sums.get(what) ?? 0) + count);
      printReport(`seed ${seed}`, report, scenario);
      if (report.findings.length === 0) continue;
      failed++;
      if (!given.json && Number(given.shrink) > 0) await printShrunk(report, options);
    }
  }
  const seconds = (performance.now() - began) / 1_000;
  if (!given.json) {
    print(`in all: ${[...sums].map(([what, count]) => `${what} ${count}`).join(', ')}`);
    print(
      `${failed} runs failed of ${seeds} seeds; ${steps} steps in ${seconds.toFixed(1)} s, ${Math.round(steps / seconds)} a second`,
    );
  }
}
process.exitCode = failed > 0 ? 1 : 0;
