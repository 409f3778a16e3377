import {
  type Codec,
  type EncodedRun,
  encodeRun,
  type FactTable,
  type RunPart,
} from '@pyralog/format';
import { INDEX_ORDERS, type IndexOrder, type Schema } from '@pyralog/model';
import { currentRows, ranksOf, sortByEntity, sortRows } from './sort.ts';

/** Runs that are flushed from the log are of level 0; compaction makes the others. */
const FLUSHED = 0;

/**
 * The runs of one part: for each order, current facts and history apart. Yields one at a time, so that a
 * driver can store it and let it go. avet lists the attributes that the schema at the cut indexes, vaet
 * the refs.
 */
export function* buildRuns(table: FactTable, schema: Schema, codec: Codec): Generator<EncodedRun> {
  const entityRanks = ranksOf(table.entities);
  const attributeRanks = ranksOf(table.attributes);
  const eavt = sortByEntity(table, 'eavt', entityRanks, attributeRanks);
  const current = currentRows(table, eavt);
  const sortedBy = (order: IndexOrder): Uint32Array => {
    switch (order) {
      case 'eavt':
        return eavt;
      case 'aevt':
        return sortByEntity(table, 'aevt', entityRanks, attributeRanks);
      case 'avet': {
        const indexed = indexedAttributes(table, schema);
        return sortRows(
          table,
          order,
          eavt.filter((row) => indexed[table.attribute[row] as number] === 1),
        );
      }
      case 'vaet':
        return sortRows(
          table,
          order,
          eavt.filter((row) => table.typeAt(row) === 'ref'),
        );
    }
  };
  for (const order of INDEX_ORDERS) {
    const sorted = sortedBy(order);
    for (const part of ['current', 'history'] as const satisfies readonly RunPart[]) {
      const wanted = part === 'current' ? 1 : 0;
      const rows = sorted.filter((row) => current[row] === wanted);
      if (rows.length > 0) yield encodeRun({ order, part, level: FLUSHED, table, rows }, codec);
    }
  }
}

/** By attribute id of the table: 1 where avet lists it. */
function indexedAttributes(table: FactTable, schema: Schema): Uint8Array {
  return Uint8Array.from({ length: table.attributes.size }, (_, id) =>
    schema.attribute(table.attributes.textAt(id))?.index === true ? 1 : 0,
  );
}
