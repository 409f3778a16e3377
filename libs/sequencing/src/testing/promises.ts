import { assert } from '@pyralog/base';
import type { CoordinationMessage, Item, PartAttempt, TransactionPart } from '@pyralog/format';
import { partitionNo } from '@pyralog/model';
import { idText, partText, preparedText } from '../transaction-table.ts';

/** A part's promise, of the partition that has given it. */
type Promised = Extract<Item, { readonly kind: 'prepared' }> & { readonly partition: number };

/**
 * Sees the logs of all partitions at once, which nobody else does: what is decided is promised everywhere then, for
 * exactly that attempt, and nothing of an attempt is left where the next one begins. One promise is nothing that is left:
 * an owner that was asked, has refused, and has said that it knows what became of the attempt leaves no record of that. Who
 * takes over hears all of it again, and may promise the part on its way to the end, which it cannot miss.
 */
export class Promises {
  readonly #isToldOf: (partition: number, about: PartAttempt) => boolean;
  /** By transaction, those that its coordinator has begun. */
  readonly #parts = new Map<string, Map<string, TransactionPart>>();
  /** By transaction and part. */
  readonly #promised = new Map<string, Map<string, Promised>>();
  /** Attempts of parts that somebody said to be over. */
  readonly #done = new Set<string>();

  /** @param isToldOf whether the end of an attempt is among what a partition takes next */
  constructor(isToldOf: (partition: number, about: PartAttempt) => boolean) {
    this.#isToldOf = isToldOf;
  }

  /** A partition says so. */
  say(message: CoordinationMessage): void {
    if (message.kind === 'done') this.#done.add(attemptText(message.from, message));
  }

  /** A log has this item. */
  take(partition: number, item: Item): void {
    if ('id' in item) this.#takeOfPart(partition, item);
    else this.#takeOfDocument(partition, item);
  }

  #takeOfDocument(partition: number, item: Exclude<Item, { readonly id: unknown }>): void {
    const name = idText({ coordinator: partitionNo(partition), offset: item.offset });
    switch (item.kind) {
      case 'begin':
        assert(!this.#isAlive(name), `T6: nothing of ${name} is alive where it begins`);
        this.#parts.set(name, new Map(item.parts.map((part) => [partText(part), part])));
        return;
      case 'extend':
        this.#parts.get(name)?.set(partText(item.part), item.part);
        return;
      case 'decided':
        for (const part of this.#parts.get(name)?.keys() ?? []) {
          const promise = this.#of(name).get(part);
          assert(promise !== undefined, `T2: ${part} is promised where ${name} is decided`);
          assert(promise.attempt === item.attempt, `T6: ${part} is promised to this attempt`);
          assert(promise.tx < item.tx, `T2: ${name} is decided above its promises`);
        }
        return;
      case 'end':
        assert(!this.#isAlive(name), `T2: nothing of ${name} is alive where it ends`);
        return;
      default:
    }
  }

  #takeOfPart(partition: number, item: Extract<Item, { readonly id: unknown }>): void {
    const promised = this.#of(idText(item.id));
    const name = partText({ partition: partitionNo(partition), name: item.part });
    if (item.kind === 'prepared') {
      assert(!promised.has(name), `T1: ${name} is promised once at a time`);
      promised.set(name, { ...item, partition });
    } else assert(promised.delete(name), `T1: ${name} was promised`);
  }

  #isAlive(name: string): boolean {
    for (const each of this.#of(name).values()) {
      const isDone = this.#done.has(attemptText(each.partition, each));
      if (!isDone || !this.#isToldOf(each.partition, each)) return true;
    }
    return false;
  }

  #of(name: string): Map<string, Promised> {
    let promised = this.#promised.get(name);
    if (promised === undefined) this.#promised.set(name, (promised = new Map()));
    return promised;
  }
}

function attemptText(partition: number, about: PartAttempt): string {
  return `${partition} ${preparedText(about)} ${about.attempt}`;
}
