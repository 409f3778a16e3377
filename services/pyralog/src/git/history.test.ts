import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planFrom } from './history.ts';

/** A graph from numbers: commit i has the parents that row i names, all of them older. */
function graphOf(rows: readonly (readonly number[])[]): Map<string, string[]> {
  return new Map(
    rows.map((parents, i) => [`${i}`, [...new Set(parents.filter((p) => p < i).map(String))]]),
  );
}

function reachable(from: string, graph: ReadonlyMap<string, readonly string[]>): Set<string> {
  const seen = new Set<string>();
  const pending = [from];
  for (let sha = pending.pop(); sha !== undefined; sha = pending.pop()) {
    const parents = graph.get(sha);
    if (parents === undefined || seen.has(sha)) continue;
    seen.add(sha);
    pending.push(...parents);
  }
  return seen;
}

describe('the plan of an import', () => {
  test('any graph: each commit arrives once, with the first commit of the chain that reaches it, parents first', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.nat(20), { maxLength: 3 }), { minLength: 1, maxLength: 20 }),
        (rows) => {
          const graph = graphOf(rows);
          const head = `${rows.length - 1}`;
          const { chain, base } = planFrom(head, graph);
          expect(base).toBeUndefined();
          const arrived = new Set<string>();
          for (const { sha, brings } of chain) {
            const before = new Set(arrived);
            for (const each of [...brings, sha]) {
              expect(arrived.has(each)).toBe(false);
              for (const parent of graph.get(each) ?? []) expect(arrived.has(parent)).toBe(true);
              arrived.add(each);
            }
            // Exactly what this commit reaches and none before it did.
            expect(new Set([...before, ...reachable(sha, graph)])).toEqual(arrived);
          }
          expect(arrived).toEqual(reachable(head, graph));
        },
      ),
    );
  });

  test('ends at what is there already', () => {
    const graph = new Map([
      ['c', ['b']],
      ['d', ['c', 'x']],
    ]);
    expect(planFrom('d', graph)).toEqual({
      base: 'b',
      chain: [
        { sha: 'c', brings: [] },
        { sha: 'd', brings: [] },
      ],
    });
  });
});
