import { assert } from '@pyralog/base';
import type { Item, TransactionPart } from '@pyralog/format';
import { partitionNo, type Tx } from '@pyralog/model';
import { idText, partText } from '../transaction-table.ts';

/**
 * Sees the logs of all partitions at once, which nobody else does: what is decided is promised everywhere then, for
 * exactly that attempt, and nothing of an attempt is left where the next one begins.
 */
export class Promises {
  /** By transaction, those that its coordinator has begun. */
  readonly #parts = new Map<string, Map<string, TransactionPart>>();
  /** By transaction and part. */
  readonly #promised = new Map<
    string,
    Map<string, { readonly attempt: number; readonly tx: Tx }>
  >();

  /** A log has this item. */
  take(partition: number, item: Item): void {
    if ('id' in item) this.#takeOfPart(partition, item);
    else this.#takeOfDocument(partition, item);
  }

  #takeOfDocument(partition: number, item: Exclude<Item, { readonly id: unknown }>): void {
    const name = idText({ coordinator: partitionNo(partition), offset: item.offset });
    switch (item.kind) {
      case 'begin':
        assert(this.#of(name).size === 0, `T6: nothing of ${name} is alive where it begins`);
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
        assert(this.#of(name).size === 0, `T2: nothing of ${name} is alive where it ends`);
        return;
      default:
    }
  }

  #takeOfPart(partition: number, item: Extract<Item, { readonly id: unknown }>): void {
    const promised = this.#of(idText(item.id));
    const name = partText({ partition: partitionNo(partition), name: item.part });
    if (item.kind === 'prepared') {
      assert(!promised.has(name), `T1: ${name} is promised once at a time`);
      promised.set(name, item);
    } else assert(promised.delete(name), `T1: ${name} was promised`);
  }

  #of(name: string): Map<string, { readonly attempt: number; readonly tx: Tx }> {
    let promised = this.#promised.get(name);
    if (promised === undefined) this.#promised.set(name, (promised = new Map()));
    return promised;
  }
}
