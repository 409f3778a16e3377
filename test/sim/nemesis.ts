import { manifestPrefix, decodeManifest } from '@pyralog/format';
import { partitionNo } from '@pyralog/model';
import { type Choice, type FaultName, OUTSIDE, type SimProcess } from '@pyralog/sim';
import type { World } from './world.ts';

/** Between two turns of the nemesis, in milliseconds. */
const TURNS = [30, 200, 1_000, 4_000];
/** How long something stays broken, in milliseconds. */
const SPELLS = [50, 500, 3_000, 20_000];
/** Rates of the table are those of calls; turns are far fewer. */
const RATE_FACTOR = 4;

type Host = World['hosts'][number];

/** Breaks machines and connections, sets clocks, and advises badly, as far as these faults are on. */
export class Nemesis {
  readonly #world: World;
  readonly #choice: Choice;
  #isOver = false;

  constructor(world: World, choice: Choice) {
    this.#world = world;
    this.#choice = choice;
  }

  /** Starts everything, in the order of the hosts, each partition advised to the first sequencer. */
  begin(): void {
    const world = this.#world;
    for (const host of world.hosts) world.start(host);
    this.#assign([...this.#sequencers()].slice(0, 1));
    world.brokers.onLanded = ({ topic }, sender) => {
      if (topic.endsWith('.commits')) this.#landed(sender);
    };
    this.#next();
  }

  /** Between any two records of an owner it may end. */
  #landed(sender: SimProcess): void {
    const host = this.#world.hosts.find(({ process }) => process === sender);
    if (host === undefined || !this.#world.swarm.fires('kill-at-record', sender)) return;
    this.#kill(host);
  }

  #kill(host: Host): void {
    this.#world.kill(host);
    this.#later(`starts ${host.spec.name}`, SPELLS, () => this.#world.start(host));
  }

  /** Mends everything: from here on the world is calm, and each partition is one sequencer's. */
  end(): void {
    this.#isOver = true;
    const world = this.#world;
    world.phase = 'quiet';
    world.swarm.stop();
    world.brokers.heal();
    world.bucket.heal();
    for (const host of world.hosts) {
      world.start(host);
      const { process } = host;
      if (process === undefined) continue;
      process.slowness = 1;
      process.resume();
    }
    this.#assign([...this.#sequencers()].slice(-1));
  }

  #next(): void {
    this.#later('turns', TURNS, () => {
      for (const name of Object.keys(this.#acts) as FaultName[]) {
        const rate = Math.min(0.8, this.#world.swarm.rate(name) * RATE_FACTOR);
        if (this.#choice.chance(rate, name)) this.#acts[name]?.();
      }
      this.#next();
    });
  }

  readonly #acts: Partial<Record<FaultName, () => void>> = {
    kill: () => {
      const host = this.#host();
      if (host.process !== undefined) this.#kill(host);
    },
    pause: () => {
      const { process } = this.#host();
      if (process?.state !== 'running') return;
      this.#world.counts.pauses++;
      process.pause();
      this.#later(`resumes ${process.name}`, SPELLS, () => process.resume());
    },
    straggler: () => {
      const { process } = this.#host();
      if (process === undefined) return;
      process.slowness = 50;
      this.#later(`hurries ${process.name}`, SPELLS, () => (process.slowness = 1));
    },
    'log-away': () => this.#cutOff(this.#world.brokers),
    'bucket-away': () => this.#cutOff(this.#world.bucket),
    'clock-back': () => this.#setClock(-1n),
    'clock-forward': () => this.#setClock(1n),
    'two-owners': () => {
      const sequencers = this.#sequencers();
      const one = this.#choice.pick(sequencers.length, 'one owner');
      const other = this.#choice.pick(sequencers.length, 'other owner');
      this.#assign(sequencers.filter((_, i) => i === one || i === other));
    },
    'no-owner': () => {
      this.#assign([]);
      this.#later('advises', SPELLS, () => {
        const sequencers = this.#sequencers();
        this.#assign(
          sequencers.filter((_, i) => i === this.#choice.pick(sequencers.length, 'owner')),
        );
      });
    },
    'retention-cut': () => {
      for (const at of this.#world.partitions()) {
        const keys = this.#world.bucket.keys();
        const prefix = manifestPrefix(at.info.name, at.partition);
        // Retention is far behind: two manifests and more.
        const key = keys.filter((each) => each.startsWith(prefix)).at(-3);
        const bytes = key === undefined ? undefined : this.#world.bucket.at(key)?.bytes;
        if (bytes !== undefined) this.#world.cutLog(at, decodeManifest(bytes, key).state.next);
      }
    },
  };

  #later(label: string, millis: readonly number[], run: () => void): void {
    const delay = millis[this.#choice.pick(millis.length, label)] ?? 0;
    this.#world.scheduler.enqueue(OUTSIDE, `nemesis ${label}`, delay * 1_000, () => {
      if (!this.#isOver) run();
    });
  }

  #cutOff(service: World['brokers'] | World['bucket']): void {
    const { process } = this.#host();
    if (process === undefined) return;
    this.#world.counts.cutOffs++;
    service.cutOff(process, (SPELLS[this.#choice.pick(SPELLS.length, 'spell')] ?? 0) * 1_000);
  }

  /** By up to an hour. */
  #setClock(direction: bigint): void {
    const { process } = this.#host();
    if (process === undefined) return;
    this.#world.counts.clockJumps++;
    const by = this.#world.jumpsNanos;
    const jump = direction * (by[this.#choice.pick(by.length, 'jump')] ?? 0n);
    this.#world.setClock(process, process.clockOffsetNanos + jump);
  }

  #assign(owners: readonly Host[]): void {
    const world = this.#world;
    world.counts.assignments++;
    for (const { name, partitions } of world.databases) {
      const all = Array.from({ length: partitions }, (_, p) => partitionNo(p));
      const sequencers = this.#sequencers();
      for (const [i, host] of sequencers.entries()) {
        // Several partitions are of several machines: what one is advised of is the next one's of the next machine.
        const advised = all.filter((p) => {
          const first =
            sequencers[(i + sequencers.length - (p % sequencers.length)) % sequencers.length];
          return first !== undefined && owners.includes(first);
        });
        world.groups.advise(`pyralog.sequencer.${name}`, host.spec.name, new Set(advised));
      }
    }
  }

  #sequencers(): readonly Host[] {
    return this.#world.hosts.filter(({ spec }) => spec.kind === 'sequencer');
  }

  #host(): Host {
    const { hosts } = this.#world;
    const host = hosts[this.#choice.pick(hosts.length, 'host')];
    if (host === undefined) throw new Error('a world has hosts');
    return host;
  }
}
