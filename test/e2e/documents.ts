import type { Random } from './random.ts';

/** Entities that are written with pairs of the same value. */
const PAIRS = 20;

/**
 * A transaction whose tearing shows: `left:n` and `right:n` always get the same value. Beside them
 * values of many-attributes that come and go, and now and then an entity that goes whole.
 * @param longOf one in so many has a value that is kept as a blob; undefined: none
 */
export function documentOf(key: string, random: Random, at?: string, longOf?: number): string {
  const pair = random.below(PAIRS);
  const ops: unknown[] = [
    { op: 'assert', entity: `left:${pair}`, attribute: 'pair/value', value: key },
    { op: 'assert', entity: `right:${pair}`, attribute: 'pair/value', value: key },
    {
      entity: `many:${random.below(5)}`,
      'many/tag': [`t${random.below(30)}`, `u${random.below(30)}`],
    },
  ];
  const other = `many:${5 + random.below(5)}`;
  if (random.below(4) === 0) ops.push({ op: 'retractEntity', entity: other });
  else ops.push({ entity: other, 'many/tag': [`v${random.below(9)}`] });
  if (longOf !== undefined && random.below(longOf) === 0)
    ops.push({ entity: `long:${random.below(3)}`, 'long/text': `${key} `.repeat(20_000) });
  return JSON.stringify({ id: key, at, meta: { author: 'test' }, ops });
}
