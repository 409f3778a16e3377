import type { Lock } from '@pyralog/format';
import type { Tx } from '@pyralog/model';

/** Who has locks: a transaction, and how old it is. */
export interface Holder {
  /** The transaction, the same on every partition. */
  readonly id: string;
  /** Age: the least is the oldest. Equal ones differ by `id`. */
  readonly start: Tx;
}

/** Whether `a` comes before `b`, as all partitions see it. */
export function isOlder(a: Holder, b: Holder): boolean {
  return a.start === b.start ? a.id < b.id : a.start < b.start;
}

interface Held {
  readonly holder: Holder;
  /** What was locked in one call, so that it can be released together. */
  readonly group: string;
  readonly attribute: string | undefined;
  readonly write: boolean;
}

/**
 * Who has locked what. A lock of a resource as a whole meets each lock of an attribute of it; two locks are in each
 * other's way where they meet, one of them writes, and their holders differ.
 */
export class LockTable {
  readonly #byResource = new Map<string, Held[]>();
  readonly #byGroup = new Map<string, readonly string[]>();

  get isEmpty(): boolean {
    return this.#byGroup.size === 0;
  }

  /** @param group names these locks for {@link release}; locks that it has already are kept beside them */
  add(holder: Holder, group: string, locks: readonly Lock[]): void {
    const resources = new Set<string>();
    for (const { resource, attribute, write } of locks) {
      resources.add(resource);
      const held = { holder, group, attribute, write };
      const others = this.#byResource.get(resource);
      if (others === undefined) this.#byResource.set(resource, [held]);
      else others.push(held);
    }
    this.#byGroup.set(group, [...(this.#byGroup.get(group) ?? []), ...resources]);
  }

  /** Does nothing where the group has none. */
  release(group: string): void {
    for (const resource of this.#byGroup.get(group) ?? []) {
      const left = this.#byResource.get(resource)?.filter((held) => held.group !== group) ?? [];
      if (left.length === 0) this.#byResource.delete(resource);
      else this.#byResource.set(resource, left);
    }
    this.#byGroup.delete(group);
  }

  clear(): void {
    this.#byResource.clear();
    this.#byGroup.clear();
  }

  /** Others that have what would be in the way of these locks; each once for every lock that meets it. */
  *inTheWay(id: string, locks: readonly Lock[]): Generator<Holder> {
    if (this.isEmpty) return;
    for (const lock of locks) {
      for (const held of this.#byResource.get(lock.resource) ?? []) {
        if (held.holder.id !== id && (lock.write || held.write) && meet(lock, held))
          yield held.holder;
      }
    }
  }

  /** Whether anything is in the way. */
  blocks(id: string, locks: readonly Lock[]): boolean {
    return this.inTheWay(id, locks).next().done !== true;
  }
}

function meet(
  a: { readonly attribute: string | undefined },
  b: { readonly attribute: string | undefined },
): boolean {
  return a.attribute === undefined || b.attribute === undefined || a.attribute === b.attribute;
}
