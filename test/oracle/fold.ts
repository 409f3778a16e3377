import { equalValues, type Fact, type IndexOrder, type Tx } from '@pyralog/model';
import { indexOrder } from './order.ts';

/**
 * What every answer means, by the shortest definition: a list of facts in the order of the log, searched
 * from the beginning. Knows nothing of indexes, runs or caches (I5).
 */
export class Fold {
  readonly facts: Fact[] = [];

  add(facts: readonly Fact[]): void {
    this.facts.push(...facts);
  }

  /** Facts in force after everything up to a moment, in an index order. */
  stateAt(basis: Tx, order: IndexOrder = 'eavt'): Fact[] {
    const state: Fact[] = [];
    for (const fact of this.facts) {
      if (fact.tx > basis) continue;
      const at = state.findIndex(
        (other) =>
          other.entity === fact.entity &&
          other.attribute === fact.attribute &&
          equalValues(other.value, fact.value),
      );
      if (at >= 0) state.splice(at, 1);
      if (fact.operation === 'assert') state.push(fact);
    }
    return state.sort((a, b) => indexOrder(order, a, b));
  }

  entityAt(entity: string, basis: Tx): Fact[] {
    return this.stateAt(basis).filter((fact) => fact.entity === entity);
  }

  history(entity: string, basis: Tx): Fact[] {
    return this.facts
      .filter((fact) => fact.entity === entity && fact.tx <= basis)
      .sort((a, b) => (a.tx === b.tx ? indexOrder('eavt', a, b) : a.tx < b.tx ? -1 : 1));
  }

  /** In force at `to` and not at `from`. */
  addedBetween(from: Tx, to: Tx): Fact[] {
    const before = this.stateAt(from);
    return this.stateAt(to).filter((fact) => !before.some((other) => isSame(other, fact)));
  }
}

function isSame(a: Fact, b: Fact): boolean {
  return a.entity === b.entity && a.attribute === b.attribute && equalValues(a.value, b.value);
}
