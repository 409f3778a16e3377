import { assert, compareBytes } from '@pyralog/base';
import {
  type Codec,
  type EncodedRun,
  type FactBatch,
  type RunPart,
  RunWriter,
  searchKey,
  type TextList,
  textListOf,
} from '@pyralog/format';
import type { IndexOrder } from '@pyralog/model';
import { Merge } from './cursor.ts';
import { isSameSubject, type Row } from './row.ts';
import type { BlockNeed, RunHandle } from './view.ts';

/** What is made of runs. */
export interface Compaction {
  readonly order: IndexOrder;
  /** Current and history of one range of the log, all there is of it in the order. */
  readonly runs: readonly RunHandle[];
  readonly level: number;
  /** Rows after which a file ends and another begins. */
  readonly rowsMax: number;
}

/** A block that must be supplied before it goes on, or a file that is done. */
export type CompactionStep =
  | { readonly kind: 'need'; readonly need: BlockNeed }
  | { readonly kind: 'run'; readonly run: EncodedRun };

/**
 * The runs of one range that say the same as several runs do: `current` has the facts in force at its end, and retracts of
 * what older runs have; `history` has all others, each assert with the retract that took it back in one row. A pure
 * function of the content of the runs (I12). Holds a block of each run, and a file of each part.
 *
 * It rests on facts being written only where they change something: of one subject asserts and retracts take turns.
 */
export function* compact(
  { order, runs, level, rowsMax }: Compaction,
  codec: Codec,
): Generator<CompactionStep, void, FactBatch | undefined> {
  const attributes = united(runs.map(({ footer }) => footer.attributes));
  const output = (part: RunPart): Output =>
    new Output(() => new RunWriter({ order, part, level }, attributes, codec));
  const [current, history] = [output('current'), output('history')];
  const outputs = [current, history];
  const merge = new Merge({ runs, parts: [] }, searchKey(order, {}), () => true);
  /** The newest fact so far of its subject, unless it was taken back. */
  let newest: Row | undefined;
  for (;;) {
    for (let { need } = merge; need !== undefined; { need } = merge) {
      const block = yield { kind: 'need', need };
      assert(block !== undefined, 'a block is supplied where one is needed');
      merge.supply(block);
    }
    const { at } = merge;
    if (newest !== undefined && (at === undefined || !isSameSubject(newest, at))) {
      current.add(newest);
      newest = undefined;
    }
    if (at === undefined) break;
    merge.next();
    if (newest === undefined) newest = at;
    else if (newest.isAssert && !at.isAssert) {
      history.add(newest, at);
      newest = undefined;
    } else {
      // A retract whose assert is older than all of this goes on hiding it.
      (newest.isAssert ? history : current).add(newest);
      newest = at;
    }
    for (const each of outputs) if (each.rows >= rowsMax) yield { kind: 'run', run: each.finish() };
  }
  for (const each of outputs) if (each.rows > 0) yield { kind: 'run', run: each.finish() };
}

/** Files of one part, one after the other. */
class Output {
  readonly #begin: () => RunWriter;
  #writer: RunWriter | undefined;

  constructor(begin: () => RunWriter) {
    this.#begin = begin;
  }

  /** Of the file that is written. */
  get rows(): number {
    return this.#writer?.rows ?? 0;
  }

  /** @param retract that took the fact back; else the fact has a row of its own */
  add({ columns, row, tx }: Row, retract?: Row): void {
    assert(tx === columns.tx[row], 'a retract that has found its assert stays with it');
    this.#writer ??= this.#begin();
    this.#writer.add(columns, row, retract?.tx ?? 0n);
  }

  finish(): EncodedRun {
    assert(this.#writer !== undefined, 'a file was begun');
    const run = this.#writer.finish();
    this.#writer = undefined;
    return run;
  }
}

/** All texts of sorted lists, in UTF-8 order, each once. */
function united(lists: readonly TextList[]): TextList {
  const all = lists.flatMap((list) =>
    Array.from({ length: list.length }, (_, i) => list.bytesAt(i)),
  );
  all.sort(compareBytes);
  const texts = all.filter(
    (text, i) => i === 0 || compareBytes(all[i - 1] as Uint8Array, text) !== 0,
  );
  return textListOf(texts);
}
