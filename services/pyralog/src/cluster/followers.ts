import { assert } from '@pyralog/base';
import type { DatabaseInfo } from '@pyralog/format';
import { NodeDatabase } from './node-database.ts';
import type { ClusterPorts } from './ports.ts';

/** A database that is followed, and who does so. */
interface Followed {
  readonly stop: AbortController;
  /** undefined: nobody has asked yet, or opening it has failed. */
  opening: Promise<NodeDatabase> | undefined;
  holds: number;
}

/** A share of a followed database, until it is disposed. */
export interface Following extends AsyncDisposable {
  /** Opened when it is first asked for, and again after a failure. */
  database(): Promise<NodeDatabase>;
}

/** The databases that the work of a process reads: each is followed once, for all its partitions. */
export class Followers {
  readonly #ports: ClusterPorts;
  readonly #followed = new Map<string, Followed>();

  constructor(ports: ClusterPorts) {
    this.#ports = ports;
  }

  /** Nothing is opened yet. */
  hold(info: DatabaseInfo): Following {
    const followed = this.#followed.get(info.id) ?? newFollowed();
    this.#followed.set(info.id, followed);
    followed.holds++;
    let isHeld = true;
    return {
      database: () => this.#database(info, followed),
      [Symbol.asyncDispose]: async () => {
        assert(isHeld, 'a share is given back once');
        isHeld = false;
        if (--followed.holds === 0) await this.#close(info, followed);
      },
    };
  }

  #database(info: DatabaseInfo, followed: Followed): Promise<NodeDatabase> {
    if (followed.opening !== undefined) return followed.opening;
    const opening = NodeDatabase.open(info, this.#ports, followed.stop.signal);
    followed.opening = opening;
    opening.catch(() => {
      if (followed.opening === opening) followed.opening = undefined;
    });
    return opening;
  }

  async #close({ id }: DatabaseInfo, { stop, opening }: Followed): Promise<void> {
    this.#followed.delete(id);
    stop.abort();
    const database = await opening?.catch(() => undefined);
    await database?.[Symbol.asyncDispose]();
  }
}

function newFollowed(): Followed {
  return { stop: new AbortController(), opening: undefined, holds: 0 };
}
