import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Choices,
  ExhaustiveChoices,
  flatChoices,
  recordChoices,
  seededChoices,
  tapeChoices,
} from './choice.ts';
import { shrink } from './shrink.ts';

const draw = (choices: Choices, actors: readonly string[], count: number): unknown[] =>
  actors.flatMap((actor) => {
    const choice = choices.stream(actor);
    return Array.from({ length: count }, () => [choice.pick(7, 'n'), choice.chance(0.5, 'yes')]);
  });

describe('choices', () => {
  test('a seed tells all of them, and an actor draws the same whoever else is there', () => {
    expect(draw(seededChoices(1), ['a', 'b'], 20)).toEqual(draw(seededChoices(1), ['a', 'b'], 20));
    expect(draw(seededChoices(1), ['a', 'b'], 20).slice(20)).toEqual(
      draw(seededChoices(1), ['b'], 20),
    );
    expect(draw(seededChoices(1), ['a'], 20)).not.toEqual(draw(seededChoices(2), ['a'], 20));
    expect(draw(seededChoices(1), ['a'], 20)).not.toEqual(draw(seededChoices(1), ['b'], 20));
  });

  test('a recorded run is drawn again from its tape, and behind its end all is calm', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const recording = recordChoices(seededChoices(seed));
        const drawn = draw(recording, ['a', 'b'], 10);
        expect(draw(tapeChoices(recording.tape()), ['a', 'b'], 10)).toEqual(drawn);
        const behind = tapeChoices(recording.tape()).stream('nobody');
        expect([behind.pick(9, ''), behind.chance(0.9, '')]).toEqual([0, false]);
      }),
    );
  });

  test('any list of numbers is a run', () => {
    fc.assert(
      fc.property(fc.array(fc.nat()), (list) => {
        const choice = flatChoices(list).stream('any');
        for (const n of [1, 2, 3, 1000]) expect(choice.pick(n, '')).toBeLessThan(n);
        expect(choice.chance(0, '')).toBe(false);
      }),
    );
  });

  test('an exhaustive run has every combination once, of choices that depend on choices too', () => {
    const seen: string[] = [];
    for (const all = new ExhaustiveChoices(); all.next();) {
      const choice = all.stream();
      const first = choice.pick(3, '');
      seen.push([first, first === 1 ? choice.pick(2, '') : '', choice.chance(0.1, '')].join());
    }
    expect(seen).toEqual([
      '0,,false',
      '0,,true',
      '1,0,false',
      '1,0,true',
      '1,1,false',
      '1,1,true',
      '2,,false',
      '2,,true',
    ]);
  });
});

describe('shrinking', () => {
  /** Fails where `a` chose 3 or more anywhere and `b` chose anything but calm. */
  const run = async (tape: Readonly<Record<string, readonly number[]>>) => ({
    fails:
      (tape['a'] ?? []).some((choice) => choice >= 3) && (tape['b'] ?? []).some((c) => c !== 0),
    drawn: tape,
  });

  test('leaves what the failure needs', async () => {
    const { tape, before, after } = await shrink(
      { a: [0, 5, 1, 9, 2], b: [1, 1, 0, 1], c: [7, 7, 7] },
      run,
      500,
    );
    expect(tape['c']).toEqual([]);
    expect(tape['b']).toEqual([1]);
    expect(tape['a']).toHaveLength(1);
    expect([3, 4, 5]).toContain(tape['a']?.[0]);
    expect([before.choices, after.choices, after.faults]).toEqual([12, 2, 2]);
  });

  test('tries no more often than it may', async () => {
    let tries = 0;
    const a = Array.from({ length: 300 }, () => 9);
    const shrunk = await shrink(
      { a, b: a },
      (tape) => {
        tries++;
        return run(tape);
      },
      20,
    );
    expect([tries, shrunk.tries]).toEqual([20, 20]);
  });
});
