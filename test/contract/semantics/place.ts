import { partitionOf } from '@pyralog/model';

/** Where the entities and unique values of a row lie. */
export interface Placement {
  readonly name: string;
  /** Of the n-th name of a row; undefined: names stand as they are. */
  readonly partitionOf: ((n: number) => number) | undefined;
  /** Which partition coordinates; undefined: that of the first entity. */
  readonly door: number | undefined;
}

/** All ways to place a row on so many partitions. The schema is at home on partition 0. */
export function placementsOn(partitions: number): readonly Placement[] {
  if (partitions === 1) return [{ name: '', partitionOf: undefined, door: undefined }];
  const last = partitions - 1;
  return [
    { name: 'on one partition', partitionOf: () => last, door: undefined },
    { name: 'over partitions', partitionOf: (n) => (n + 1) % partitions, door: undefined },
    {
      name: 'over partitions, coordinated by another',
      partitionOf: (n) => (n + 2) % partitions,
      door: 1,
    },
    // Where the second name lies, which is a unique value mostly.
    {
      name: 'over partitions, coordinated by the second',
      partitionOf: (n) => (n + 2) % partitions,
      door: 3 % partitions,
    },
  ];
}

const NAME = /\$([a-z][a-z0-9]*)/g;

/** Puts the names of one row in their places. */
export class Places {
  readonly #placement: Placement;
  readonly #partitions: number;
  readonly #known: string[] = [];

  constructor(placement: Placement, partitions: number) {
    this.#placement = placement;
    this.#partitions = partitions;
  }

  /** The same with names in their places, whatever it is. */
  place<T>(thing: T): T {
    if (thing === undefined) return thing;
    const text = JSON.stringify(thing).replace(NAME, (_, name: string) => this.#named(name));
    return JSON.parse(text) as T;
  }

  /** An operation that changes nothing, by which a document comes in elsewhere. */
  door(): readonly unknown[] {
    const { door } = this.#placement;
    if (door === undefined) return [];
    return [{ op: 'retractEntity', entity: `${tagOn(door, this.#partitions)}door` }];
  }

  #named(name: string): string {
    const { partitionOf: chosen } = this.#placement;
    if (chosen === undefined) return name;
    let n = this.#known.indexOf(name);
    if (n < 0) n = this.#known.push(name) - 1;
    return tagOn(chosen(n), this.#partitions) + name;
  }
}

/** Begins ids and unique texts that lie on a partition. */
function tagOn(partition: number, partitions: number): string {
  for (let i = 0; ; i++) {
    const tag = `{p${i}}`;
    if (partitionOf(tag, partitions) === partition) return tag;
  }
}
