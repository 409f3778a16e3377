import type { Tape } from './choice.ts';

/** What a try of the shrinker came to. */
export interface ShrinkTry {
  readonly fails: boolean;
  /** What the run drew of the tape: choices behind it mattered to nothing. */
  readonly drawn: Tape;
}

/** A smaller tape that fails, and what it took to find it. */
export interface Shrunk {
  readonly tape: Tape;
  readonly tries: number;
  /** Choices before and after; those that are not calm. */
  readonly before: TapeSize;
  readonly after: TapeSize;
}

/** How large a tape is. */
export interface TapeSize {
  readonly choices: number;
  readonly faults: number;
}

/**
 * Makes the choices of a run that fails fewer and smaller as long as it fails: whole actors calm, parts
 * of a list away or calm, numbers halved. Tries are bounded; what is found until then is the answer.
 */
export async function shrink(
  tape: Tape,
  run: (tape: Tape) => Promise<ShrinkTry>,
  triesMax: number,
): Promise<Shrunk> {
  let best = tape;
  let tries = 0;
  const attempt = async (candidate: Tape): Promise<boolean> => {
    if (tries >= triesMax || isSmaller(best, candidate) || sameTape(best, candidate)) return false;
    tries++;
    const { fails, drawn } = await run(candidate);
    if (fails) best = isSmaller(candidate, drawn) ? candidate : drawn;
    return fails;
  };
  for (let improved = true; improved && tries < triesMax;) {
    improved = false;
    for (const actor of Object.keys(best)) {
      if (await attempt({ ...best, [actor]: [] })) improved = true;
    }
    for (const actor of Object.keys(best)) {
      for (const change of [withoutPart, calmPart]) {
        for (let size = largestPart(best[actor]); size >= 1; size = Math.floor(size / 2)) {
          for (let at = 0; at < (best[actor]?.length ?? 0);) {
            const list = best[actor] ?? [];
            const isBetter = await attempt({ ...best, [actor]: change(list, at, size) });
            improved ||= isBetter;
            // A part that is gone has made room for the next one at the same place.
            if (!isBetter || change === calmPart) at += size;
            if (tries >= triesMax) break;
          }
        }
      }
      for (let at = 0; at < (best[actor]?.length ?? 0) && tries < triesMax; at++) {
        const list = best[actor] ?? [];
        if (await attempt({ ...best, [actor]: halved(list, at) })) improved = true;
      }
    }
  }
  return { tape: best, tries, before: sizeOf(tape), after: sizeOf(best) };
}

/** How many choices a tape has, and how many of them are not calm. */
export function sizeOf(tape: Tape): TapeSize {
  const lists = Object.values(tape);
  return {
    choices: lists.reduce((sum, list) => sum + list.length, 0),
    faults: lists.reduce((sum, list) => sum + list.filter((choice) => choice !== 0).length, 0),
  };
}

function largestPart(list: readonly number[] | undefined): number {
  return 2 ** Math.floor(Math.log2(Math.max(1, list?.length ?? 0)));
}

function withoutPart(list: readonly number[], at: number, size: number): readonly number[] {
  return [...list.slice(0, at), ...list.slice(at + size)];
}

function calmPart(list: readonly number[], at: number, size: number): readonly number[] {
  return list.map((choice, i) => (i >= at && i < at + size ? 0 : choice));
}

function halved(list: readonly number[], at: number): readonly number[] {
  return list.map((choice, i) => (i === at ? Math.floor(choice / 2) : choice));
}

function sumOf(tape: Tape): number {
  return Object.values(tape).reduce((sum, list) => sum + list.reduce((a, b) => a + b, 0), 0);
}

/** Fewer faults first, then fewer choices, then smaller ones. */
function isSmaller(a: Tape, b: Tape): boolean {
  const [one, two] = [sizeOf(a), sizeOf(b)];
  if (one.faults !== two.faults) return one.faults < two.faults;
  if (one.choices !== two.choices) return one.choices < two.choices;
  return sumOf(a) < sumOf(b);
}

function sameTape(a: Tape, b: Tape): boolean {
  const actors = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...actors].every((actor) => (a[actor] ?? []).join() === (b[actor] ?? []).join());
}
