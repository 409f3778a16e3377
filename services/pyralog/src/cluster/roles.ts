import type { GroupAdvice } from '@pyralog/log';
import type { Threads } from '@pyralog/runtime';
import type { InputFormat } from '@pyralog/service-sequencer';
import { healthOf } from '../troubles.ts';
import { Followers } from './followers.ts';
import { IndexerWork } from './indexer-work.ts';
import { ownPartition } from './partition-owner.ts';
import type { ClusterPorts } from './ports.ts';
import { type PartitionWork, Role, supervised } from './role.ts';

/** What a process of a role serves. */
export interface RoleSettings {
  readonly advice: GroupAdvice;
  /** The only database; undefined: all there are and will be. */
  readonly database: string | undefined;
}

/** Owns partitions: gives every input its outcome in the commit log. */
export function startSequencer(
  { advice, database, format }: RoleSettings & { readonly format: InputFormat },
  ports: ClusterPorts,
): Role {
  return Role.start(
    {
      name: 'sequencer',
      advice,
      database,
      begin: ({ info, partition }): PartitionWork => {
        const what = `${info.name}/${partition}`;
        const healths = {
          input: healthOf(`The input of ${what}`, 'read', ports),
          log: healthOf(`The commit log of ${what}`, 'written', ports),
          index: healthOf(`The index of ${what}`, 'read', ports),
          requests: healthOf(`The requests to ${what}`, 'read', ports),
        };
        const owned = { info, partition, format, healths };
        return supervised(
          [
            {
              health: healthOf(`The partition ${what}`, 'led', ports),
              run: (signal, working) =>
                ownPartition(owned, ports, signal, working).finally(() => ports.steps?.ended(what)),
            },
          ],
          ports,
          Object.values(healths),
        );
      },
    },
    ports,
  );
}

/** Turns commit logs into files of the bucket, topics for others, and views. */
export function startIndexer(
  { advice, database, threads }: RoleSettings & { readonly threads: Threads },
  ports: ClusterPorts,
): Role {
  const followers = new Followers(ports);
  return Role.start(
    {
      name: 'indexer',
      advice,
      database,
      begin: (assignment) => new IndexerWork(assignment, threads, followers, ports),
    },
    ports,
  );
}
