import { createCodec } from '@pyralog/format/zstd';
import type { Codec } from '@pyralog/format';
import {
  type Choice,
  type Choices,
  FAULT_NAMES,
  type FaultName,
  guarded,
  recordChoices,
  seededChoices,
  type SimProcess,
  type Swarm,
  shrink,
  type Shrunk,
  StepLimitError,
  type Tape,
  tapeChoices,
} from '@pyralog/sim';
import { checkHistory } from './check/check.ts';
import { readCommitment } from './check/commitment.ts';
import { copiesInFlight } from './check/isolation.ts';
import { type Finding, transactionsOf } from './check/history.ts';
import { Nemesis } from './nemesis.ts';
import { api, indexer, producer, queueLeader, reader, sequencer } from './programs.ts';
import { SpreadWorkload } from './spread.ts';
import { ONE_PARTITION, type Workload } from './workload.ts';
import { type Clocks, type HostSpec, World } from './world.ts';

/** Worlds to run, by name. */
export interface Scenario {
  readonly what: string;
  readonly databases: readonly { readonly name: string; readonly partitions: number }[];
  readonly hosts: readonly HostSpec[];
  readonly faults: readonly FaultName[];
  readonly hasTopics: boolean;
  readonly workload: (choice: Choice) => Workload;
  readonly clocks: Clocks;
  /** Documents that come when nothing fails any more, to be seen that all are answered then. */
  readonly calmDocuments: number;
}

/** Faults of transactions over partitions, which others do not meet. */
const OF_SEVERAL: readonly FaultName[] = [
  'kill-at-record',
  'message-lost',
  'message-late',
  'message-twice',
];
const FAULTS_OF_ONE = FAULT_NAMES.filter((name) => !OF_SEVERAL.includes(name));
const [SECOND, HOUR] = [1_000, 3_600_000];
/** Where partitions are led apart, nothing depends on how far their clocks are. */
const ONE = {
  workload: () => ONE_PARTITION,
  clocks: {
    isSkewed: (swarm: Swarm, process: SimProcess) => swarm.fires('clock-skew', process),
    skewsMillis: [-5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5].map((seconds) => seconds * SECOND),
    jumpsMillis: [1, SECOND, 60 * SECOND, HOUR],
  },
  calmDocuments: 0,
};

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
    faults: FAULTS_OF_ONE,
    hasTopics: true,
    ...ONE,
  },
  queue: {
    what: 'two leaders with writers of their own contend for one log; an indexer and a reader',
    databases: MAIN,
    hosts: [queueLeader('leader0'), queueLeader('leader1'), indexer('indexer'), reader('reader')],
    // These leaders hold everything in memory, so the log must be whole.
    faults: FAULTS_OF_ONE.filter(
      (name) => !['two-owners', 'no-owner', 'retention-cut'].includes(name),
    ),
    hasTopics: false,
    ...ONE,
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
    faults: FAULTS_OF_ONE,
    hasTopics: true,
    ...ONE,
  },
  partitions: {
    what: 'three partitions of three machines, with transactions over all of them',
    databases: [{ name: 'main', partitions: 3 }],
    hosts: [
      sequencer('sequencer0'),
      sequencer('sequencer1'),
      sequencer('sequencer2'),
      indexer('indexer'),
      reader('reader'),
      producer('producer0'),
      producer('producer1'),
      api('api'),
    ],
    faults: FAULT_NAMES,
    hasTopics: true,
    workload: (choice) => new SpreadWorkload(3, choice),
    // Up to 500 ms apart they work together (CLOCK_SKEW_MAX).
    clocks: {
      isSkewed: (swarm, { choice }) => swarm.has('clock-skew') && choice.chance(0.5, 'clock-skew'),
      skewsMillis: [-200, -150, -100, -50, -20, 0, 20, 50, 100, 150, 200, 250, -SECOND, HOUR],
      jumpsMillis: [20, 1, 50, 100, 150, 200, 250, 300, HOUR],
    },
    calmDocuments: 40,
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
/** Whoever was fenced, or could not read, has tried again after this long. */
const SETTLE_MICROS = 15_000_000;
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
      const becomeQuiet = async (): Promise<void> => {
        // Documents that meet again and again take their time; where none is done meanwhile, none will be.
        for (;;) {
          const before = world.progress();
          try {
            return await scheduler.run(isQuiet, QUIET_STEPS_MAX);
          } catch (error) {
            if (!(error instanceof StepLimitError) || scenario.calmDocuments === 0) throw error;
            if (world.progress() === before) throw error;
          }
        }
      };
      try {
        await becomeQuiet();
        if (scenario.calmDocuments === 0) return;
        const settled = scheduler.nowMicros + SETTLE_MICROS;
        await scheduler.run(() => scheduler.nowMicros >= settled, QUIET_STEPS_MAX);
        world.beginCalm();
        const enough = world.counts.documents + scenario.calmDocuments;
        await scheduler.run(() => world.counts.documents >= enough, QUIET_STEPS_MAX);
        world.phase = 'quiet';
        await becomeQuiet();
      } catch (error) {
        if (!(error instanceof StepLimitError)) throw error;
        const unfinished = world.unfinished();
        // A tape without choices sends nothing: it is not what another one is made smaller to.
        if (unfinished === undefined)
          world.found('workload', `no more documents: ${error.message}`);
        else world.found('liveness', `${unfinished}: ${error.message}`);
      }
    },
  );
  const { bank } = world.workload;
  const calm =
    world.calmFrom === undefined
      ? undefined
      : {
          from: world.calmFrom,
          refusals: world.areClocksApart ? ['busy'] : ['busy', 'clock-ahead'],
        };
  const findings = [
    ...world.findings,
    ...world.databases.flatMap(({ name }) => checkHistory(world.history(name), { bank, calm })),
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
  for (const { name, partitions } of world.databases) {
    const { records, inputs, samples, acknowledgements } = world.history(name);
    const outcomes = records.flatMap((record) => (record.counts ? record.outcomes : []));
    add('records', records.length);
    add('void', records.filter(({ counts }) => !counts).length);
    add('owners', records.filter(({ counts, seq }) => counts && seq === 0).length);
    add('commits', transactionsOf(records).length);
    for (const kind of ['rejected', 'duplicate'])
      add(kind, outcomes.filter(({ result }) => result.kind === kind).length);
    if (partitions > 1) {
      for (const [what, count] of Object.entries(readCommitment(records).counts)) add(what, count);
      add('copiesInFlight', copiesInFlight(records, inputs));
      for (const { op } of transactionsOf(records)) add(`of ${op?.split('-').at(-1)}`, 1);
    }
    add('samples', samples.length);
    add('acknowledged', acknowledgements.length);
  }
  sums['objects'] = world.bucket.keys().length;
  return sums;
}
