import { onTestFailed } from 'vitest';
import { Random } from '../e2e/random.ts';
import { Witness } from '../e2e/witness.ts';
import { checkCluster } from './check.ts';
import { type Cluster, create } from './cluster.ts';
import { Load } from './load.ts';
import type { ClusterProcess } from './processes.ts';

export const SEED: number = Number(process.env['PYRALOG_SEED'] ?? Date.now() % 1_000_000);
/** Whether there is time for what takes long. */
export const LONG: boolean =
  process.env['PYRALOG_LONG'] === '1' || Number(process.env['PYRALOG_KILLS']) >= 100;

/** A database, and writers at work on it. */
export interface Run extends AsyncDisposable {
  readonly load: Load;
  readonly witness: Witness;
  /** Writers go to another API node, and so do comparisons. */
  moveTo(api: ClusterProcess): void;
  /** Ends the load, and compares. */
  check(): Promise<void>;
}

/** Makes a database, and puts a load on it. What the processes say is shown where the test fails. */
export async function begin(
  cluster: Cluster,
  api: ClusterProcess,
  database: string,
  partitions = 1,
): Promise<Run> {
  onTestFailed(() => void process.stderr.write(`seed ${SEED}\n${cluster.errors}`));
  await create(api, database, partitions);
  const random = new Random(SEED);
  const witness = new Witness(database, { partitions });
  let { url } = api;
  const load = new Load({ url, database, witness, random });
  return {
    load,
    witness,
    moveTo: (other) => {
      ({ url } = other);
      load.moveTo(url);
    },
    check: async () => {
      await load.stop();
      await checkCluster({ cluster, url, database, witness, random });
    },
    [Symbol.asyncDispose]: () => load[Symbol.asyncDispose](),
  };
}

/** Says something that was measured. */
export function tell(text: string): void {
  process.stdout.write(`cluster: ${text}\n`);
}
