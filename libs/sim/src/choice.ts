import { assert } from '@pyralog/base';
import { SeededRand } from '@pyralog/runtime';

/**
 * The only source of chance of a simulated world. Choice 0 is the calm one everywhere (no fault, the
 * first of those that are ready, the least delay), so that a run with fewer and smaller choices is a
 * simpler one: that is what the shrinker relies on.
 */
export interface Choice {
  /**
   * A number in [0, n). Nothing is drawn where n is 1.
   * @param label what for; only to read in a dump
   */
  pick(n: number, label: string): number;
  /** True about as often as `rate` says, from 0 to 1; false is calm. Nothing is drawn at 0. */
  chance(rate: number, label: string): boolean;
}

/**
 * The choices of a run, a stream for each actor by its name: another actor, or another choice of one, does
 * not change what the others draw.
 */
export interface Choices {
  stream(actor: string): Choice;
}

/** What was chosen in a run, by actor, in order. Behind its end everything is calm. */
export type Tape = Readonly<Record<string, readonly number[]>>;

/** Choices by a seed, for long runs. */
export function seededChoices(seed: number): Choices {
  return {
    stream: (actor) => {
      const rand = new SeededRand(seed ^ hashText(actor));
      return {
        pick: (n) => (n === 1 ? 0 : Math.floor(rand.fraction() * n)),
        chance: (rate) => rate > 0 && rand.fraction() < rate,
      };
    },
  };
}

/** Choices that were recorded, or shrunk from them. Numbers that are too large for a choice wrap. */
export function tapeChoices(tape: Tape): Choices {
  return { stream: (actor) => listChoice(tape[actor] ?? []) };
}

/** Choices from one list for all actors, as a generator of lists gives them (fast-check's `array(nat)`). */
export function flatChoices(list: readonly number[]): Choices {
  const choice = listChoice(list);
  return { stream: () => choice };
}

function listChoice(list: readonly number[]): Choice {
  let at = 0;
  return {
    pick: (n) => (n === 1 ? 0 : (list[at++] ?? 0) % n),
    // Any number but 1 is calm, so that lists of random numbers are not all faults.
    chance: (rate) => rate > 0 && list[at++] === 1,
  };
}

/** Choices whose every draw is kept. */
export interface Recording extends Choices {
  /** What was drawn so far. */
  tape(): Tape;
}

/** Records what is drawn from others. */
export function recordChoices(source: Choices): Recording {
  const drawn = new Map<string, { readonly choice: Choice; readonly list: number[] }>();
  return {
    stream: (actor) => {
      const known = drawn.get(actor);
      if (known !== undefined) return known.choice;
      const from = source.stream(actor);
      const list: number[] = [];
      const choice: Choice = {
        pick: (n, label) => {
          assert(Number.isSafeInteger(n) && n > 0, `${label}: nothing to choose from`);
          const picked = from.pick(n, label);
          if (n > 1) list.push(picked);
          return picked;
        },
        chance: (rate, label) => {
          const happens = from.chance(rate, label);
          if (rate > 0) list.push(happens ? 1 : 0);
          return happens;
        },
      };
      drawn.set(actor, { choice, list });
      return choice;
    },
    tape: () =>
      Object.fromEntries([...drawn].map(([actor, { list }]) => [actor, withoutCalmEnd(list)])),
  };
}

function withoutCalmEnd(list: readonly number[]): readonly number[] {
  return list.slice(0, list.findLastIndex((choice) => choice !== 0) + 1);
}

/**
 * All choices of a tiny world, one combination a round: a counter whose digits are the choices of a run,
 * each as wide as its choice. After TigerBeetle's exhaustigen.
 *
 * ```ts
 * for (const all = new ExhaustiveChoices(); all.next();) runWorld(all);
 * ```
 */
export class ExhaustiveChoices implements Choices {
  /** Digits of this round: what is chosen, and of how many. */
  #digits: { picked: number; readonly of: number }[] = [];
  #at = 0;
  #begun = false;

  /** Goes on to the next combination. @returns false when there is none */
  next(): boolean {
    if (this.#begun) {
      assert(this.#at === this.#digits.length, 'the same choices lead to the same choices');
      while (this.#digits.at(-1)?.picked === (this.#digits.at(-1)?.of ?? 0) - 1) this.#digits.pop();
      const last = this.#digits.at(-1);
      if (last === undefined) return false;
      last.picked++;
    }
    this.#begun = true;
    this.#at = 0;
    return true;
  }

  stream(): Choice {
    return {
      pick: (n) => (n === 1 ? 0 : this.#digit(n)),
      chance: (rate) => rate > 0 && this.#digit(2) === 1,
    };
  }

  #digit(of: number): number {
    const known = this.#digits[this.#at];
    if (known === undefined) this.#digits.push({ picked: 0, of });
    else assert(known.of === of, 'the same choices lead to the same choice');
    return this.#digits[this.#at++]?.picked ?? 0;
  }
}

/** A number of 32 bits for a text (FNV-1a). */
export function hashText(text: string, start = 0x811c9dc5): number {
  let hash = start;
  for (let i = 0; i < text.length; i++)
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return hash;
}
