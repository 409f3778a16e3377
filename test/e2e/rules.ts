import { expect } from 'vitest';
import type { JsonFact } from './witness.ts';

/** What always holds among the facts of a database, beyond that answers equal a fold of its feed. */
export interface Rule {
  /** Attributes of which all facts in force are looked at together. */
  readonly attributes: readonly string[];
  /** The facts of the next transaction of the feed. */
  fold(facts: readonly JsonFact[]): void;
  /** All facts in force of an attribute, at one moment. */
  check(attribute: string, facts: readonly JsonFact[]): void;
}

/** Half of a pair tells of a torn transaction (I2): `left:n` and `right:n` are always written together. */
export const PAIRS: Rule = {
  attributes: ['pair/value', 'many/tag', 'long/text'],
  fold: (facts) => checkPairs(facts.filter(({ operation }) => operation === 'assert')),
  check: (_attribute, facts) => checkPairs(facts),
};

function checkPairs(facts: readonly JsonFact[]): void {
  const values = new Map(
    facts
      .filter(({ attribute }) => attribute === 'pair/value')
      .map(({ entity, value }) => [entity, value]),
  );
  for (const [entity, value] of values) {
    const other = entity.startsWith('left:')
      ? entity.replace('left:', 'right:')
      : entity.replace('right:', 'left:');
    expect(values.get(other), `I2: ${entity} and its partner`).toBe(value);
  }
}
