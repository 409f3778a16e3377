import { compareFacts, type IndexOrder, type StoredFact } from '@pyralog/model';
import { FactTable } from '../fact-table.ts';

export function tableOf(facts: readonly StoredFact[]): FactTable {
  const table = new FactTable();
  for (const fact of facts) table.append(fact);
  return table;
}

/** Rows of facts in an order, each (entity, attribute, value, tx) once. */
export function sortedRows(order: IndexOrder, facts: readonly StoredFact[]): Uint32Array {
  const rows = [...facts.keys()].sort((a, b) =>
    compareFacts(order, facts[a] as StoredFact, facts[b] as StoredFact),
  );
  return Uint32Array.from(
    rows.filter(
      (row, i) =>
        i === 0 ||
        compareFacts(
          order,
          facts[rows[i - 1] as number] as StoredFact,
          facts[row] as StoredFact,
        ) !== 0,
    ),
  );
}
