import { createHash } from 'node:crypto';
import { PyralogError } from '@pyralog/model';
import type { ObjectInfo, ObjectStore } from '@pyralog/objects';
import type { FaultName, Swarm } from './faults.ts';
import type { SimProcess } from './process.ts';

/** Keys of a page of a listing. */
const PAGE_KEYS = 8;
/** How long a key may be missing in a stale listing, in microseconds. */
const STALE_MICROS = 500_000;

interface StoredObject {
  readonly bytes: Uint8Array;
  readonly putMicros: number;
}

/** Something that changed the bucket. */
export interface ObjectChange {
  readonly key: string;
  /** Who did it. */
  readonly process: string;
  /** SHA-256 of the content, hexadecimal; undefined: it was deleted. */
  readonly hash: string | undefined;
}

/** The bucket of a simulated world: what is in it, whoever put it. */
export class SimBucket {
  readonly #objects = new Map<string, StoredObject>();
  readonly #changes: ObjectChange[] = [];
  readonly #away = new Map<string, number>();

  /** The bucket as a process sees it. */
  connect(process: SimProcess, swarm: Swarm): SimStore {
    return new SimStore(this, process, swarm);
  }

  /** Every put that made an object, and every delete, in order. */
  get changes(): readonly ObjectChange[] {
    return this.#changes;
  }

  /** Keys, in order. */
  keys(): readonly string[] {
    // Keys are ASCII, so the default order of strings is byte order.
    return [...this.#objects.keys()].toSorted((a, b) => (a < b ? -1 : 1));
  }

  at(key: string): StoredObject | undefined {
    return this.#objects.get(key);
  }

  put(key: string, bytes: Uint8Array, { name, scheduler }: SimProcess): 'created' | 'exists' {
    if (this.#objects.has(key)) return 'exists';
    this.#objects.set(key, { bytes, putMicros: scheduler.nowMicros });
    const hash = createHash('sha256').update(bytes).digest('hex');
    this.#changes.push({ key, process: name, hash });
    return 'created';
  }

  delete(key: string, { name }: SimProcess): void {
    if (this.#objects.delete(key)) this.#changes.push({ key, process: name, hash: undefined });
  }

  /** A process cannot reach it for a time. */
  cutOff({ name, scheduler }: SimProcess, forMicros: number): void {
    this.#away.set(name, scheduler.nowMicros + forMicros);
  }

  isAway({ name, scheduler }: SimProcess): boolean {
    return (this.#away.get(name) ?? 0) > scheduler.nowMicros;
  }

  /** Everybody can reach it again. */
  heal(): void {
    this.#away.clear();
  }
}

/** The bucket of one process. Without faults it keeps the contract to the letter (test/contract/objects.ts). */
export class SimStore implements ObjectStore {
  readonly #bucket: SimBucket;
  readonly #process: SimProcess;
  readonly #swarm: Swarm;

  constructor(bucket: SimBucket, process: SimProcess, swarm: Swarm) {
    this.#bucket = bucket;
    this.#process = process;
    this.#swarm = swarm;
  }

  put(key: string, bytes: Uint8Array): Promise<'created' | 'exists'> {
    const copy = bytes.slice();
    const fails = this.#fires('put-fails');
    const unheard = this.#fires('put-unheard');
    // Its own first attempt has happened, and the second finds the key taken.
    const ownExists = this.#fires('put-own-exists');
    return this.#request(`put ${key}`, () => {
      if (fails) throw failed(key);
      const result = this.#bucket.put(key, copy, this.#process);
      if (unheard) throw failed(key);
      return ownExists ? 'exists' : result;
    });
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#read(`get ${key}`, () => {
      const bytes = this.#bucket.at(key)?.bytes.slice();
      return bytes && this.#flipped(bytes);
    });
  }

  getRange(key: string, start: number, length: number): Promise<Uint8Array | undefined> {
    return this.#read(`get ${length} of ${key}`, () => {
      const bytes = this.#bucket.at(key)?.bytes;
      if (bytes === undefined) return undefined;
      const from = Math.min(bytes.length, start < 0 ? Math.max(0, bytes.length + start) : start);
      const range = bytes.slice(from, Math.min(bytes.length, from + length));
      if (range.length > 0 && this.#fires('range-short'))
        return range.slice(0, this.#process.choice.pick(range.length, 'short'));
      return this.#flipped(range);
    });
  }

  head(key: string): Promise<ObjectInfo | undefined> {
    return this.#read(`head ${key}`, () => {
      const bytes = this.#bucket.at(key)?.bytes.length;
      return bytes === undefined ? undefined : { key, bytes };
    });
  }

  async *list(
    prefix: string,
    { after = '' }: { readonly after?: string | undefined } = {},
  ): AsyncIterable<ObjectInfo> {
    let last = after;
    for (;;) {
      const from = last;
      const page = await this.#read(`list ${prefix}`, () => this.#page(prefix, from));
      yield* page;
      const end = page.at(-1);
      if (end === undefined || page.length < PAGE_KEYS) return;
      last = end.key;
    }
  }

  delete(key: string): Promise<void> {
    return this.#request(`delete ${key}`, () => this.#bucket.delete(key, this.#process));
  }

  #page(prefix: string, after: string): readonly ObjectInfo[] {
    const isStale = this.#fires('list-stale');
    const since = this.#process.scheduler.nowMicros - STALE_MICROS;
    const page: ObjectInfo[] = [];
    for (const key of this.#bucket.keys()) {
      if (!key.startsWith(prefix) || key <= after) continue;
      const object = this.#bucket.at(key);
      // What was there when the world began is old.
      const isLate = object !== undefined && object.putMicros > Math.max(0, since);
      if (object === undefined || (isStale && isLate)) continue;
      page.push({ key, bytes: object.bytes.length });
      if (page.length === PAGE_KEYS) break;
    }
    return page;
  }

  #read<T>(label: string, effect: () => T): Promise<T> {
    const fails = this.#fires('get-fails');
    return this.#request(label, () => {
      if (fails) throw failed(label);
      return effect();
    });
  }

  #request<T>(label: string, effect: () => T): Promise<T> {
    const slow = this.#fires('bucket-slow');
    const away = this.#bucket.isAway(this.#process);
    return this.#process.request(
      { label, ...(slow ? { backMicros: this.#process.slowMicros(label) } : {}) },
      () => {
        if (away) throw new PyralogError('unreachable', 'The bucket answers 503.');
        return effect();
      },
    );
  }

  #flipped(bytes: Uint8Array): Uint8Array {
    if (bytes.length === 0 || !this.#fires('bit-flip')) return bytes;
    const at = this.#process.choice.pick(bytes.length, 'flipped byte');
    bytes[at] = (bytes[at] ?? 0) ^ (1 << this.#process.choice.pick(8, 'flipped bit'));
    return bytes;
  }

  #fires(fault: FaultName): boolean {
    return this.#swarm.fires(fault, this.#process);
  }
}

function failed(what: string): PyralogError {
  return new PyralogError('storage-failed', `The bucket failed at ${what}.`);
}
