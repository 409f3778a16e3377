import type { GroupAdvice } from '@pyralog/log';
import type { PartitionNo } from '@pyralog/model';
import type { SimProcess } from './process.ts';

interface Member {
  readonly process: string;
  readonly group: string;
  /** Told that the advice has changed. */
  changed: () => void;
}

/**
 * Advice of who should lead what, as a test sets it: to one process, to two at once, to none. It is heard
 * between two polls of a member, and late by a slow one.
 */
export class SimGroups {
  /** By group and process. */
  readonly #advised = new Map<string, ReadonlySet<PartitionNo>>();
  readonly #members = new Set<Member>();

  /** Advice as a process hears it. */
  connect(process: SimProcess): GroupAdvice {
    return { join: (group, _topic, signal) => this.#join(process, group, signal) };
  }

  /** Processes that take part in a group. */
  members(group: string): readonly string[] {
    return [...this.#members].filter((each) => each.group === group).map(({ process }) => process);
  }

  /** Advises a process, by its host, from now on. */
  advise(group: string, process: string, partitions: ReadonlySet<PartitionNo>): void {
    this.#advised.set(`${group} ${process}`, partitions);
    for (const member of this.#members)
      if (member.group === group && member.process === process) member.changed();
  }

  async *#join(
    process: SimProcess,
    group: string,
    signal: AbortSignal | undefined,
  ): AsyncIterable<ReadonlySet<PartitionNo>> {
    let isNew = true;
    let wake = (): void => undefined;
    const member: Member = {
      process: process.host,
      group,
      changed: () => {
        isNew = true;
        wake();
      },
    };
    this.#members.add(member);
    try {
      while (!isAborted(signal)) {
        await process.wait(`polls ${group}`, process.delayMicros('poll'), signal);
        if (isAborted(signal)) return;
        if (isNew) {
          isNew = false;
          yield this.#advised.get(`${group} ${process.host}`) ?? new Set();
          continue;
        }
        await this.#change(process, signal, (tell) => (wake = tell));
      }
    } finally {
      this.#members.delete(member);
    }
  }

  #change(
    process: SimProcess,
    signal: AbortSignal | undefined,
    listen: (tell: () => void) => void,
  ): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        signal?.removeEventListener('abort', done);
        resolve();
      };
      if (signal?.aborted) return done();
      signal?.addEventListener('abort', done, { once: true });
      listen(() => {
        process.scheduler.enqueue(process, 'hears advice', process.delayMicros('advice'), done);
      });
    });
  }
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}
