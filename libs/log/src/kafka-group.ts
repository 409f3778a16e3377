import { setTimeout as sleep } from 'node:timers/promises';
import { Bell } from '@pyralog/base';
import { type PartitionNo, partitionNo, PyralogError } from '@pyralog/model';
import type { GroupAdvice } from './advice.ts';
import { closed, type KafkaCluster, settledWithin } from './kafka-cluster.ts';
import {
  givenMemberId,
  type JoinedGroup,
  type KafkaConnection,
  MemberAssignment,
  MemberMetadata,
} from './kafka-connection.ts';
import { refusalOf } from './kafka-errors.ts';
import { partitionsOf } from './kafka-topics.ts';

/** Kafka allows no less by default. A process that is gone without a word is noticed after it. */
const SESSION_MILLIS = 6_000;
/** How long members have to come back when the group changes. */
const REBALANCE_MILLIS = 6_000;
/** A change of the group is learned with the next heartbeat. */
const HEARTBEAT_MILLIS = 500;
/** What a closing process waits at most to be struck off; if it is not, its session ends by itself. */
const LEAVE_MILLIS = 2_000;
const PROTOCOL = { type: 'consumer', name: 'pyralog-sticky', version: 0 };

/**
 * Membership of consumer groups that consume nothing: the coordinator is asked who is there, and the member
 * that it makes the leader says who has what. Heartbeats come from a timer, so that work elsewhere does not
 * delay them; kafkajs's consumer sends them between batches, of which there are none here.
 */
export class KafkaGroupAdvice implements GroupAdvice {
  readonly #cluster: KafkaCluster;
  readonly #members = new Set<Member>();
  #closed = false;

  constructor(cluster: KafkaCluster) {
    this.#cluster = cluster;
  }

  async *join(
    group: string,
    topic: string,
    signal?: AbortSignal,
  ): AsyncIterable<ReadonlySet<PartitionNo>> {
    if (this.#closed) throw closed();
    if (signal?.aborted) return;
    const member = new Member(this.#cluster, group, topic);
    this.#members.add(member);
    const stop = (): void => void member.stop();
    signal?.addEventListener('abort', stop, { once: true });
    try {
      yield* member.advice();
    } finally {
      signal?.removeEventListener('abort', stop);
      await member.stop();
      this.#members.delete(member);
    }
  }

  /** Leaves all groups. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#members].map((member) => member.stop()));
  }
}

/** One member of one group. */
class Member {
  readonly #cluster: KafkaCluster;
  readonly #group: string;
  readonly #topic: string;
  readonly #stop = new AbortController();
  readonly #changed = new Bell();
  readonly #running: Promise<void>;
  /** Given by the coordinator; empty before, and after it has forgotten this member. */
  #memberId = '';
  #partitions: ReadonlySet<PartitionNo> | undefined;
  /** Of the group that gave it these partitions. */
  #generation = -1;
  #failure: unknown;

  constructor(cluster: KafkaCluster, group: string, topic: string) {
    this.#cluster = cluster;
    this.#group = group;
    this.#topic = topic;
    this.#running = this.#run();
  }

  /** The newest advice whenever there is one. Ends when the member was stopped. */
  async *advice(): AsyncGenerator<ReadonlySet<PartitionNo>> {
    const { signal } = this.#stop;
    let told: ReadonlySet<PartitionNo> | undefined;
    while (!signal.aborted) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#partitions === told) {
        await this.#changed.wait(signal);
      } else {
        told = this.#partitions;
        if (told !== undefined) yield told;
      }
    }
  }

  /** Resolves when the group has been left, or cannot be at the moment. */
  stop(): Promise<void> {
    this.#stop.abort();
    return settledWithin(this.#running, LEAVE_MILLIS);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const what = `The group ${this.#group} cannot be joined`;
    const attempt = (): Promise<void> => this.#takePart();
    try {
      // For as long as the group cannot be reached the last advice stands.
      await this.#cluster.retrying(what, undefined, signal, attempt, Number.POSITIVE_INFINITY);
    } catch (error) {
      if (!signal.aborted) {
        this.#failure = error;
        this.#changed.ring();
      }
    }
    // Also after a failure: what this member has is another's then.
    await this.#leave();
  }

  /** Joins, again whenever the group changes, until something fails or the member is stopped. */
  async #takePart(): Promise<void> {
    const { signal } = this.#stop;
    const address = await this.#cluster.coordinator(this.#group);
    const connection = await this.#cluster.connect(address, signal);
    // The coordinator may hold a request until other members have come.
    const close = (): void => connection.close();
    signal.addEventListener('abort', close, { once: true });
    try {
      while (!signal.aborted) await this.#takePartOnce(connection);
    } finally {
      signal.removeEventListener('abort', close);
      connection.close();
    }
  }

  /** From joining until the group changes. */
  async #takePartOnce(connection: KafkaConnection): Promise<void> {
    const { signal } = this.#stop;
    try {
      const groupGenerationId = await this.#join(connection);
      const place = { groupId: this.#group, memberId: this.#memberId, groupGenerationId };
      for (;;) {
        await sleep(HEARTBEAT_MILLIS, undefined, { signal }).catch(() => undefined);
        if (signal.aborted) return;
        await connection.heartbeat(place);
      }
    } catch (error) {
      const type = refusalOf(error)?.type;
      const given = givenMemberId(error);
      if (given !== undefined) this.#memberId = given;
      else if (type === 'UNKNOWN_MEMBER_ID') this.#memberId = '';
      else if (type !== 'REBALANCE_IN_PROGRESS' && type !== 'ILLEGAL_GENERATION') throw error;
    }
  }

  /** @returns the generation of the group that the member is now of */
  async #join(connection: KafkaConnection): Promise<number> {
    const claim: Claim = { generation: this.#generation, owned: [...(this.#partitions ?? [])] };
    const joined = await connection.joinGroup({
      groupId: this.#group,
      sessionTimeout: SESSION_MILLIS,
      rebalanceTimeout: REBALANCE_MILLIS,
      memberId: this.#memberId,
      protocolType: PROTOCOL.type,
      groupProtocols: [
        {
          name: PROTOCOL.name,
          metadata: MemberMetadata.encode({
            version: PROTOCOL.version,
            topics: [this.#topic],
            userData: Buffer.from(JSON.stringify(claim)),
          }),
        },
      ],
    });
    this.#memberId = joined.memberId;
    const mine = await connection.syncGroup({
      groupId: this.#group,
      generationId: joined.generationId,
      memberId: joined.memberId,
      groupAssignment: joined.memberId === joined.leaderId ? await this.#assign(joined) : [],
    });
    const assignment = MemberAssignment.decode(mine)?.assignment[this.#topic] ?? [];
    this.#generation = joined.generationId;
    this.#take(assignment.toSorted((a, b) => a - b).map(partitionNo));
    return joined.generationId;
  }

  #take(partitions: readonly PartitionNo[]): void {
    const had = this.#partitions;
    if (had?.size === partitions.length && partitions.every((p) => had.has(p))) return;
    this.#partitions = new Set(partitions);
    this.#changed.ring();
  }

  async #assign({
    members,
  }: JoinedGroup): Promise<{ readonly memberId: string; readonly memberAssignment: Buffer }[]> {
    const metadata = await this.#cluster.metadata(this.#topic);
    if (metadata === undefined)
      throw new PyralogError('not-found', `The log has no topic ${this.#topic}.`);
    const owners = members.map(({ memberId, memberMetadata }) => ({
      memberId,
      ...claimOf(MemberMetadata.decode(memberMetadata).userData),
    }));
    const assigned = assignSticky(owners, partitionsOf(metadata).length);
    return [...assigned].map(([memberId, partitions]) => ({
      memberId,
      memberAssignment: MemberAssignment.encode({
        version: PROTOCOL.version,
        assignment: { [this.#topic]: partitions },
      }),
    }));
  }

  /** Over another connection: that of the member is closed. */
  async #leave(): Promise<void> {
    if (this.#memberId === '' || this.#cluster.stopped.aborted) return;
    const leave = async (): Promise<void> => {
      const connection = await this.#cluster.shared(await this.#cluster.coordinator(this.#group));
      await connection.leaveGroup({ groupId: this.#group, memberId: this.#memberId });
    };
    await settledWithin(leave(), LEAVE_MILLIS);
  }
}

/** What a member says that it has, and since which generation of the group. */
interface Claim {
  readonly generation: number;
  readonly owned: readonly number[];
}

/** Nothing where another version says it otherwise. */
function claimOf(userData: Buffer): Claim {
  try {
    const { generation, owned } = JSON.parse(userData.toString()) as Record<string, unknown>;
    if (Number.isSafeInteger(generation) && Array.isArray(owned)) {
      const partitions = owned.filter((p): p is number => Number.isSafeInteger(p));
      return { generation: generation as number, owned: partitions };
    }
  } catch {
    // Told below, as what is no claim.
  }
  return { generation: -1, owned: [] };
}

interface Owner extends Claim {
  readonly memberId: string;
}

/**
 * Gives each member its fair share of the partitions 0 to n - 1: numbers differ by one at most, a member
 * keeps what it has up to its share. Of two that have the same, one was away: the one that was given it later
 * keeps it, or else the first by name. The same members give the same answer in any order. @internal
 */
export function assignSticky(
  members: readonly Owner[],
  partitions: number,
): ReadonlyMap<string, readonly number[]> {
  const claimed = new Set<number>();
  const claims = members
    .toSorted((a, b) => b.generation - a.generation || compareText(a.memberId, b.memberId))
    .map(({ memberId, owned }) => {
      const kept = [...new Set(owned)]
        .filter((p) => p >= 0 && p < partitions && !claimed.has(p))
        .toSorted((a, b) => a - b);
      for (const p of kept) claimed.add(p);
      return { memberId, kept };
    })
    // The larger shares go to those that have most.
    .toSorted((a, b) => b.kept.length - a.kept.length);
  const share = Math.floor(partitions / members.length);
  const larger = partitions % members.length;
  const shares = claims.map(({ memberId, kept }, i) => {
    const size = i < larger ? share + 1 : share;
    return { memberId, size, kept: kept.slice(0, size) };
  });
  const kept = new Set(shares.flatMap((each) => each.kept));
  const free = Array.from({ length: partitions }, (_, p) => p).filter((p) => !kept.has(p));
  return new Map(
    shares.map(({ memberId, size, kept: own }) => [
      memberId,
      [...own, ...free.splice(0, size - own.length)].toSorted((a, b) => a - b),
    ]),
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
