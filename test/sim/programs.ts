/** What runs on the machines of a world: the product's own drivers, and writers that use them. */
import { textOf } from './check/history.ts';
import { must } from '@pyralog/base';
import { advance, type DatabaseInfo, decodeCommitRecord, emptyLogState } from '@pyralog/format';
import {
  type StoredFact,
  initialSchema,
  isPyralogError,
  parseDocument,
  type PartitionNo,
  partitionNo,
  type Tx,
  tx,
  TX_NONE,
} from '@pyralog/model';
import {
  Bucket,
  DatabaseReader,
  followManifests,
  PartitionReader,
  Partitions,
} from '@pyralog/reading';
import type { FactsPage } from '@pyralog/client';
import { type PauseRule, type Service, Supervisor } from '@pyralog/runtime';
import { DocumentQueue, NO_MAILBOX, NO_POST, PartitionLeader } from '@pyralog/service-sequencer';
import { Indexer } from '@pyralog/service-indexer';
import type { SimProcess } from '@pyralog/sim';
import { NodeDatabase } from '../../services/pyralog/src/cluster/node-database.ts';
import type { ClusterPorts } from '../../services/pyralog/src/cluster/ports.ts';
import { startSequencer } from '../../services/pyralog/src/cluster/roles.ts';
import { at, topicsOf } from '../../services/pyralog/src/cluster/topics.ts';
import { healthOf } from '../../services/pyralog/src/troubles.ts';
import type { WorkloadDocument } from './check/serial.ts';
import { valuesOf } from './workload.ts';
import { type HostSpec, placeOf, TRANSACTION, type World } from './world.ts';

const PAUSES: PauseRule = { firstMillis: 100, maxMillis: 5_000 };
/** Between two documents of a writer, in milliseconds. */
const WRITER_PAUSES = [1, 2, 5, 20, 200, 2_000];
/** Where nothing fails: many at once. */
const TRAFFIC_PAUSES = [1, 2, 5, 20];
/** Between two samples of a reader, in milliseconds. */
const SAMPLE_PAUSES = [100, 500, 3_000];
/** Rows of a page of a sample. */
const PAGE = 10_000;

/** A program that is kept running, as production keeps its services. */
function keep(what: string, service: Service, ports: ClusterPorts): void {
  Supervisor.start(service, { ...ports, pauses: PAUSES, health: healthOf(what, 'led', ports) });
}

/** Owns the partitions that it is advised of: the role as it is shipped. */
export function sequencer(name: string): HostSpec {
  return {
    name,
    kind: 'sequencer',
    begin: (process, world) => {
      const advice = world.groups.connect(process);
      startSequencer({ advice, database: undefined, format: 'transaction' }, world.ports(process));
    },
  };
}

/** Turns the commit logs of all partitions into files: the indexer as it is shipped, without its thread. */
export function indexer(name: string): HostSpec {
  return {
    name,
    kind: 'indexer',
    begin: (process, world) => {
      const ports = world.ports(process);
      for (const { info, partition } of world.partitions()) {
        const topic = at(topicsOf(info.name).commits, partition);
        const options = { ...ports, info, partition, topic, onManifest: () => undefined };
        keep(
          `The index of ${info.name}/${partition}`,
          { run: (signal, working) => Indexer.run({ ...options, onProgress: working }, signal) },
          ports,
        );
      }
    },
  };
}

/** Follows the logs and manifests of a database, and reads everything in force again and again. */
export function reader(name: string): HostSpec {
  return {
    name,
    kind: 'reader',
    begin: (process, world) => {
      const ports = world.ports(process);
      for (const info of world.databases)
        keep(
          `Reading of ${info.name}`,
          { run: (signal, working) => readDatabase(info, process, world, signal, working) },
          ports,
        );
    },
  };
}

/** Opens all partitions at their newest manifests and follows them until something fails: then it is begun anew. */
async function readDatabase(
  info: DatabaseInfo,
  process: SimProcess,
  world: World,
  signal: AbortSignal,
  working: () => void,
): Promise<void> {
  const ports = world.ports(process);
  const partitions: PartitionReader[] = [];
  for (let p = 0; p < info.partitions; p++) {
    const bucket = new Bucket(info.name, ports.objects, ports.codec);
    partitions.push(
      await PartitionReader.open({ ...ports, info, partition: partitionNo(p), bucket }),
    );
  }
  const stop = new AbortController();
  const abort = (): void => stop.abort();
  signal.addEventListener('abort', abort, { once: true });
  const parts = partitions.flatMap((partition) => [
    followLog(partition, process, world, ports, stop.signal, working),
    followManifests(
      {
        ...ports,
        index: partition.index,
        whenDue: (until) => partition.waitCut(until),
        adopt: (manifest) => partition.adopt(manifest),
      },
      stop.signal,
    ),
  ]);
  parts.push(sampleDatabase(info, partitions, process, world, ports, stop.signal));
  try {
    await Promise.all(parts);
  } finally {
    signal.removeEventListener('abort', abort);
    stop.abort();
    await Promise.allSettled(parts);
  }
}

async function followLog(
  reading: PartitionReader,
  process: SimProcess,
  world: World,
  { log }: ClusterPorts,
  signal: AbortSignal,
  working: () => void,
): Promise<void> {
  const { info } = reading;
  const { partition } = reading.index;
  const commits = at(topicsOf(info.name).commits, partition);
  const note = (): void => {
    const key = `${process.host} ${info.name}/${partition}`;
    const sampled = world.reached.get(key)?.sampled ?? 0n;
    world.reached.set(key, { next: reading.state.next, sampled });
  };
  for await (const batch of log.read(commits, reading.state.next, { follow: true, signal })) {
    for (const { offset, value } of batch) {
      const record = decodeCommitRecord(must(value, 'a commit log has no tombstones'));
      const before = reading.state.admission;
      reading.apply(offset, record);
      if (reading.state.admission === before || record.kind === 'epoch') continue;
      const { owner, epoch, seq } = record;
      world.believed(info.name, { process: process.name, partition, owner, epoch, seq });
    }
    note();
    working();
  }
}

async function sampleDatabase(
  info: DatabaseInfo,
  readers: readonly PartitionReader[],
  process: SimProcess,
  world: World,
  { timers, clock }: ClusterPorts,
  signal: AbortSignal,
): Promise<void> {
  const { choice } = process;
  const partitions = new Partitions(readers);
  const reader = new DatabaseReader({ partitions, clock, requestClosed: () => undefined });
  const numbers = readers.map((_, p) => p);
  const sample = async (basis: Tx): Promise<readonly StoredFact[]> => {
    const facts = await all((cursor) =>
      reader.state({ index: 'eavt', limit: PAGE, cursor }, { asOf: basis }),
    );
    world.sampled(info.name, { reader: process.name, basis, partitions: numbers, facts });
    return facts;
  };
  let last = TX_NONE;
  while (!signal.aborted) {
    const pause = SAMPLE_PAUSES[choice.pick(SAMPLE_PAUSES.length, 'sample')] ?? 50;
    await timers.sleep(pause, signal);
    // What the whole database can no longer change.
    const { closed } = partitions;
    if (signal.aborted || closed <= last) continue;
    const facts = await sample(closed);
    world.known.set(info.name, { basis: closed, values: valuesOf(facts) });
    if (info.partitions > 1) {
      // A moment in the past, and the same by another index.
      if (choice.chance(0.3, 'past')) await sample(tx(last + (closed - last) / 2n));
      const { attribute } = world.workload.bank;
      const balances = await all((cursor) =>
        reader.state({ index: 'aevt', attribute, limit: PAGE, cursor }, { asOf: closed }),
      );
      const same = facts.filter((fact) => fact.attribute === attribute).map(textOf);
      if (balances.map(textOf).toSorted().join() !== same.toSorted().join())
        world.found(
          'indexes agree',
          `${process.name} as of ${closed}: ${balances.length} accounts`,
        );
    }
    last = closed;
    for (const partition of numbers) {
      const key = `${process.host} ${info.name}/${partition}`;
      const next = world.reached.get(key)?.next ?? 0;
      world.reached.set(key, { next, sampled: closed });
    }
  }
}

/** The facts of all pages. */
async function all(
  pageOf: (cursor: string | undefined) => Promise<FactsPage>,
): Promise<readonly StoredFact[]> {
  const facts: StoredFact[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await pageOf(cursor);
    facts.push(...page.facts);
    if (page.next === undefined) return facts;
    cursor = page.next;
  }
}

/** Publishes documents to the input topics, as any producer may, and sends again what it heard nothing of. */
export function producer(name: string): HostSpec {
  return {
    name,
    kind: 'writer',
    begin: (process, world) => {
      const ports = world.ports(process);
      for (const info of world.databases) void produce(info, process, world, ports);
    },
  };
}

async function produce(
  info: DatabaseInfo,
  process: SimProcess,
  world: World,
  { log, timers }: ClusterPorts,
): Promise<void> {
  const { choice } = process;
  for (let count = 0; world.isWriting; count++) {
    await timers.sleep(pauseOf(process, world));
    if (!world.isWriting) return;
    const document = nextDocument(info, process, world, count);
    const poison = choice.chance(0.02, 'poison');
    const value = poison ? Uint8Array.of(123, 1, 2) : bytesOf(document);
    const topic = at(topicsOf(info.name).transactions, world.workload.door(document, choice));
    const repeated = document.id !== undefined && choice.chance(0.2, 'sent twice');
    for (let left = repeated ? 2 : 1; left > 0; left--) {
      try {
        await log.append(topic, [{ value, headers: TRANSACTION }]);
      } catch (error) {
        if (!isPyralogError(error)) throw error;
        // Whether it is there nobody knows: a writer with a key sends again, one without does not.
        if (document.id !== undefined && choice.chance(0.7, 'sent again')) left++;
      }
    }
  }
}

/** Writes as the doors do: publishes, and is answered by the commit log. */
export function api(name: string): HostSpec {
  return {
    name,
    kind: 'writer',
    begin: (process, world) => {
      const ports = world.ports(process);
      for (const info of world.databases)
        keep(
          `The writes to ${info.name}`,
          { run: (signal, working) => answer(info, process, world, ports, signal, working) },
          ports,
        );
    },
  };
}

async function answer(
  info: DatabaseInfo,
  process: SimProcess,
  world: World,
  ports: ClusterPorts,
  signal: AbortSignal,
  working: () => void,
): Promise<void> {
  await using database = await NodeDatabase.open(info, ports, signal);
  working();
  for (let count = 0; !signal.aborted; count++) {
    await ports.timers.sleep(pauseOf(process, world), signal);
    if (!world.isWriting) continue;
    const document = nextDocument(info, process, world, count);
    await transact(info, world, document, async () => {
      const { tx, facts } = await database.transact(bytesOf(document));
      return { tx, facts };
    });
  }
}

/** Leads a partition for writers of its own process, over a log that others may claim. */
export function queueLeader(name: string): HostSpec {
  return {
    name,
    kind: 'sequencer',
    begin: (process, world) => {
      const ports = world.ports(process);
      for (const { info, partition } of world.partitions())
        keep(
          `The partition ${info.name}/${partition}`,
          {
            run: (signal, working) =>
              leadQueue(info, partition, process, world, ports, signal, working),
          },
          ports,
        );
    },
  };
}

async function leadQueue(
  info: DatabaseInfo,
  partition: PartitionNo,
  process: SimProcess,
  world: World,
  ports: ClusterPorts,
  signal: AbortSignal,
  working: () => void,
): Promise<void> {
  const inbox = new DocumentQueue({ documents: 1_000, bytes: 1e9 });
  let state = emptyLogState();
  await using leader = await PartitionLeader.lead({
    ...ports,
    inbox,
    mailbox: NO_MAILBOX,
    post: NO_POST,
    topic: at(topicsOf(info.name).commits, partition),
    partition,
    partitions: info.partitions,
    index: {
      start: async () => ({ state: emptyLogState(), schema: initialSchema(info), empty: true }),
      answer: async () => [],
      async *records() {
        yield* [];
      },
    },
    blobs: new Bucket(info.name, ports.objects, ports.codec),
    cacheBytesMax: 1e9,
    publish: (offset, record) => {
      if (offset < state.next) return;
      const after = advance(state, offset, record);
      ({ state } = after);
      if (!after.counts || record.kind === 'epoch') return;
      const { owner, epoch, seq } = record;
      world.believed(info.name, { process: process.name, partition, owner, epoch, seq });
    },
    hasRoom: () => true,
    noRoom: () => {
      throw new Error('there is always room');
    },
    health: healthOf(`The commit log of ${info.name}`, 'written', ports),
  });
  working();
  const writing = new Set<Promise<void>>();
  for (let count = 0; !signal.aborted; count++) {
    await ports.timers.sleep(pauseOf(process, world), signal);
    if (process.choice.chance(0.05, 'closes')) leader.requestClosed();
    const document = nextDocument(info, process, world, count);
    world.documents.set(document.meta.reason, document);
    const again = document.id !== undefined && process.choice.chance(0.2, 'sent twice') ? 2 : 1;
    for (let left = again; left > 0; left--) {
      const sent = transact(info, world, document, async () => {
        const outcome = await inbox.submit(parseDocument(bytesOf(document)), 100);
        if (outcome.kind === 'rejected') return undefined;
        return { tx: outcome.tx, facts: outcome.kind === 'committed' ? outcome.facts : undefined };
      });
      writing.add(sent);
      void sent.finally(() => writing.delete(sent));
    }
    // Several in flight, so that groups form.
    while (writing.size > 5) await Promise.race(writing);
  }
}

async function transact(
  info: DatabaseInfo,
  world: World,
  { meta: { reason: op } }: WorkloadDocument,
  send: () => Promise<
    { readonly tx: bigint; readonly facts: readonly StoredFact[] | undefined } | undefined
  >,
): Promise<void> {
  try {
    const told = await send();
    if (told !== undefined) world.acknowledged(info.name, { op, ...told });
  } catch (error) {
    // Refused, or nobody knows.
    if (!isPyralogError(error)) throw error;
    if (error.code === 'internal')
      world.found('no defect', `${op} was answered with ${error.message} ${describe(error.cause)}`);
  }
}

function describe(cause: unknown): string {
  return cause instanceof Error ? `${cause.message}${placeOf(cause)}` : '';
}

function nextDocument(
  { name }: DatabaseInfo,
  process: SimProcess,
  world: World,
  count: number,
): WorkloadDocument {
  world.counts.documents++;
  return world.workload.next(process.name, process.choice, world.knownTo(name, process), count);
}

function pauseOf({ choice }: SimProcess, { isCalm }: World): number {
  const pauses = isCalm ? TRAFFIC_PAUSES : WRITER_PAUSES;
  return pauses[choice.pick(pauses.length, 'writer pauses')] ?? 2;
}

function bytesOf(document: WorkloadDocument): Uint8Array {
  return Buffer.from(JSON.stringify(document));
}
