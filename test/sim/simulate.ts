import { createCodec } from '@pyralog/format/zstd';
import type { Codec } from '@pyralog/format';
import {
  type Choices,
  FAULT_NAMES,
  type FaultName,
  guarded,
  recordChoices,
  seededChoices,
  shrink,
  type Shrunk,
  StepLimitError,
  type Tape,
  tapeChoices,
} from '@pyralog/sim';
import { checkHistory } from './check/check.ts';
import { type Finding, transactionsOf } from './check/history.ts';
import { Nemesis } from './nemesis.ts';
import { api, indexer, producer, queueLeader, reader, sequencer } from './programs.ts';
import { BANK } from './workload.ts';
import { type HostSpec, World } from './world.ts';

/** Worlds to run, by name. */
export interface Scenario {
  readonly what: string;
  readonly databases: readonly { readonly name: string; readonly partitions: number }[];
  readonly hosts: readonly HostSpec[];
  readonly faults: readonly FaultName[];
  readonly hasTopics: boolean;
}

const MAIN = [{ name: 'main', partitions: 1 }];

/** All there are; a run by a seed takes one by its name. */
export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  cluster: {
    what: 'three sequencers contend for the inputs of a topic; two indexers, two readers, a door and a producer',
    databases: MAIN,
    hosts: [
      sequencer('sequencer0'),
      sequencer('sequencer1'),
      sequencer('sequencer2'),
      indexer('indexer0'),
      indexer('indexer1'),
      reader('reader0'),
      reader('reader1'),
      producer('producer'),
      api('api'),
    ],
    faults: FAULT_NAMES,
    hasTopics: true,
  },
  queue: {
    what: 'two leaders with writers of their own contend for one log; an indexer and a reader',
    databases: MAIN,
    hosts: [queueLeader('leader0'), queueLeader('leader1'), indexer('indexer'), reader('reader')],
    // These leaders hold everything in memory, so the log must be whole.
    faults: FAULT_NAMES.filter(
      (name) => !['two-owners', 'no-owner', 'retention-cut'].includes(name),
    ),
    hasTopics: false,
  },
  databases: {
    what: 'two databases, two sequencers for both',
    databases: [...MAIN, { name: 'other', partitions: 1 }],
    hosts: [
      sequencer('sequencer0'),
      sequencer('sequencer1'),
      indexer('indexer'),
      reader('reader'),
      producer('producer'),
      api('api'),
    ],
    faults: FAULT_NAMES,
    hasTopics: true,
  },
  partitions: {
    what: 'three partitions; a transaction lies on one of them, and the others refuse it',
    databases: [{ name: 'main', partitions: 3 }],
    hosts: [
      sequencer('sequencer0'),
      sequencer('sequencer1'),
      indexer('indexer'),
      reader('reader'),
      producer('producer'),
    ],
    faults: FAULT_NAMES,
    hasTopics: true,
  },
};

/** Which run. */
export interface RunOptions {
  readonly scenario: string;
  /** Steps with faults; those without, until all is quiet, come on top. */
  readonly steps: number;
  readonly keepTrace?: boolean | undefined;
}

/** What a run came to. */
export interface Report {
  readonly findings: readonly Finding[];
  readonly hash: string;
  readonly steps: number;
  /** Steps that it took until all was quiet after the faults. */
  readonly quietSteps: number;
  readonly virtualMillis: number;
  readonly interleavedPicks: number;
  readonly faults: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
  readonly tape: Tape;
  readonly trace: readonly string[];
}

/** When faults stop, everything must be quiet within so many steps. */
const QUIET_STEPS_MAX = 15_000;
/** Whoever fails pauses before it reads the same again; more often than this is a loop without a pause. */
const REREADS_MAX = 40;
/** Looking whether all is quiet reads the logs. */
const LOOK_EVERY = 50;

let codec: Promise<Codec> | undefined;

/** Runs one world by choices, from its beginning until all is quiet, and checks what happened. */
export async function runWorld(source: Choices, options: RunOptions): Promise<Report> {
  const scenario = SCENARIOS[options.scenario];
  if (scenario === undefined)
    throw new Error(
      `There is no scenario ${options.scenario}: ${Object.keys(SCENARIOS).join(', ')}.`,
    );
  const choices = recordChoices(source);
  const { keepTrace } = options;
  const world = new World({
    ...scenario,
    choices,
    keepTrace,
    codec: await (codec ??= createCodec()),
  });
  const nemesis = new Nemesis(world, choices.stream('nemesis'));
  const { scheduler } = world;
  let quietFrom = 0;
  await guarded(
    scheduler,
    {
      onForbidden: (what) => world.found('ports only', what),
      onCrash: (owner, error) => world.crashed(owner, error),
    },
    async () => {
      nemesis.begin();
      await scheduler.run(() => scheduler.steps >= options.steps, options.steps);
      nemesis.end();
      quietFrom = scheduler.steps;
      let looked = 0;
      const isQuiet = (): boolean => {
        if (scheduler.steps < looked + LOOK_EVERY) return false;
        looked = scheduler.steps;
        return world.unfinished() === undefined;
      };
      try {
        await scheduler.run(isQuiet, QUIET_STEPS_MAX);
      } catch (error) {
        if (!(error instanceof StepLimitError)) throw error;
        world.found('liveness', `${world.unfinished()}: ${error.message}`);
      }
    },
  );
  const findings = [
    ...world.findings,
    ...world.databases.flatMap(({ name }) => checkHistory(world.history(name), { bank: BANK })),
  ];
  const { what, count } = world.brokers.busiest;
  if (count > REREADS_MAX)
    findings.push({ check: 'no spinning', what: `${what} ${count} times within a second` });
  if (scheduler.interleavedPicks === 0)
    findings.push({ check: 'interleaving', what: 'nothing was ever due beside anything else' });
  return {
    findings,
    hash: scheduler.traceHash,
    steps: scheduler.steps,
    quietSteps: scheduler.steps - quietFrom,
    virtualMillis: scheduler.nowMicros / 1_000,
    interleavedPicks: scheduler.interleavedPicks,
    faults: world.swarm.describe(),
    counts: countsOf(world),
    tape: choices.tape(),
    trace: scheduler.trace,
  };
}

/** As {@link runWorld}, by a seed. */
export function runSeed(seed: number, options: RunOptions): Promise<Report> {
  return runWorld(seededChoices(seed), options);
}

/** A smaller run that fails in the same check. */
export async function shrinkRun(
  { tape, findings }: Report,
  options: RunOptions,
  triesMax: number,
): Promise<Shrunk> {
  const checks = new Set(findings.map(({ check }) => check));
  return shrink(
    tape,
    async (candidate) => {
      const again = await runWorld(tapeChoices(candidate), options);
      return { fails: again.findings.some(({ check }) => checks.has(check)), drawn: again.tape };
    },
    triesMax,
  );
}

function countsOf(world: World): Readonly<Record<string, number>> {
  const sums: Record<string, number> = { ...world.counts };
  const add = (name: string, count: number): void => {
    sums[name] = (sums[name] ?? 0) + count;
  };
  for (const { name } of world.databases) {
    const { records, samples, acknowledgements } = world.history(name);
    const outcomes = records.flatMap((record) => (record.counts ? record.outcomes : []));
    add('records', records.length);
    add('void', records.filter(({ counts }) => !counts).length);
    add('owners', records.filter(({ counts, seq }) => counts && seq === 0).length);
    add('commits', transactionsOf(records).length);
    for (const kind of ['rejected', 'duplicate'])
      add(kind, outcomes.filter(({ result }) => result.kind === kind).length);
    add('samples', samples.length);
    add('acknowledged', acknowledgements.length);
  }
  sums['objects'] = world.bucket.keys().length;
  return sums;
}
