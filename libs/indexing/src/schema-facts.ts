import { utf8Encode } from '@pyralog/base';
import type { FactColumns } from '@pyralog/format';
import { ATTRIBUTE_ENTITY_PREFIX, type StoredFact } from '@pyralog/model';

const PREFIX = utf8Encode(ATTRIBUTE_ENTITY_PREFIX);

/** The facts about attributes. Few are, so that no string is made of the other entities. */
export function schemaFacts(facts: FactColumns): StoredFact[] {
  const found: StoredFact[] = [];
  for (let row = 0; row < facts.length; row++) {
    const entity = facts.entityBytesAt(row);
    if (PREFIX.every((byte, i) => entity[i] === byte)) found.push(facts.factAt(row));
  }
  return found;
}
