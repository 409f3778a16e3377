import { assert } from '@pyralog/base';
import type { CoordinationMessage, Item, Lock, PartAttempt } from '@pyralog/format';
import { isClaimEntity, partitionNo } from '@pyralog/model';
import { type Holder, isOlder, LockTable } from '../locks.ts';
import { idText, preparedText } from '../transaction-table.ts';

/**
 * Watches one owner of a partition for transactions that begin though an older part waits for what they lock
 * (protocol 1.5.1): whoever lets one pass may let any number pass. It knows what a part would have locked when
 * that is promised in the end.
 */
export class Overtaking {
  #step = 0;
  /** The step in which a part was asked for last: it waits from then on at the latest. */
  readonly #asked = new Map<string, number>();
  readonly #begun: { readonly step: number; readonly holder: Holder; readonly locks: LockTable }[] =
    [];

  /** A message is taken in the step under way. */
  hear(message: CoordinationMessage): void {
    if (message.kind === 'prepare') this.#asked.set(nameOf(message), this.#step);
  }

  /** The record of the step under way has this item. */
  take(partition: number, item: Item): void {
    if (item.kind === 'begin') {
      const id = { coordinator: partitionNo(partition), offset: item.offset };
      const holder = { id: idText(id), start: item.start };
      const locks = new LockTable();
      locks.add(holder, holder.id, item.locks);
      this.#begun.push({ step: this.#step, holder, locks });
    } else if (item.kind === 'prepared') {
      const since = this.#asked.get(nameOf(item)) ?? this.#step;
      const holder = { id: idText(item.id), start: item.start };
      const known = item.locks.filter(isKnownBefore);
      for (const begun of this.#begun) {
        if (begun.step <= since || isOlder(begun.holder, holder)) continue;
        assert(
          !begun.locks.blocks(holder.id, known),
          `T9: ${begun.holder.id} has not begun past the older ${holder.id}`,
        );
      }
    }
  }

  /** What comes now belongs to the next step. */
  endOfStep(): void {
    this.#step++;
  }
}

/** Values that a part gives up show only when nothing is in its way any more. */
function isKnownBefore({ resource }: Lock): boolean {
  return !isClaimEntity(resource.replace(/^e:/, ''));
}

function nameOf(about: PartAttempt): string {
  return `${preparedText(about)}/${about.attempt}`;
}
