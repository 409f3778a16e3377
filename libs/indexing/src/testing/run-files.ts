import {
  type Codec,
  decodeRunBlock,
  type EncodedRun,
  type FactBatch,
  FactTable,
  parseRunFooter,
  type RunFooter,
  verifyRun,
} from '@pyralog/format';
import {
  definitionFacts,
  foldSchema,
  INDEX_ORDERS,
  initialSchema,
  type LogOffset,
  logOffset,
  type Schema,
  type StoredFact,
  tx,
} from '@pyralog/model';
import { buildRuns } from '../build.ts';
import { compact } from '../compact.ts';
import type { BlockNeed, Read, RunHandle } from '../view.ts';

/** Runs in memory. */
export class RunFiles {
  readonly #codec: Codec;
  readonly #files = new Map<RunHandle, Uint8Array>();

  constructor(codec: Codec) {
    this.#codec = codec;
  }

  /** The runs of a part, whose range of the log is the record of its number. avet lists all. */
  flushed(facts: readonly StoredFact[], part: number): RunHandle[] {
    const table = new FactTable();
    for (const fact of facts) table.append(fact);
    const runs = buildRuns(table, schemaOf(facts), this.#codec);
    return Array.from(runs, (run) => this.#put(run, logOffset(part), logOffset(part + 1)));
  }

  /** What becomes of runs, order by order. @param rowsMax of a file */
  compacted(all: readonly RunHandle[], level: number, rowsMax = 1e9): RunHandle[] {
    const from = Math.min(...all.map(({ info }) => info.from));
    const to = Math.max(...all.map(({ info }) => info.to));
    const made: RunHandle[] = [];
    for (const order of INDEX_ORDERS) {
      const runs = all.filter(({ info }) => info.order === order);
      const steps = compact({ order, runs, level, rowsMax }, this.#codec);
      let block: FactBatch | undefined;
      for (;;) {
        const step = steps.next(block);
        if (step.done === true) break;
        if (step.value.kind === 'need') block = this.#load(step.value.need);
        else made.push(this.#put(step.value.run, logOffset(from), logOffset(to)));
      }
    }
    return made;
  }

  answer<T>(read: Read<T>): T {
    let step = read.next();
    while (!step.done) step = read.next(this.#load(step.value));
    return step.value;
  }

  #put({ bytes, ...said }: EncodedRun, from: LogOffset, to: LogOffset): RunHandle {
    verifyRun(bytes, this.#codec);
    const footer = parseRunFooter(bytes, bytes.length, this.#codec) as RunFooter;
    const info = { ...said, name: said.hash, bytes: bytes.length, from, to };
    const run: RunHandle = { info, footer };
    this.#files.set(run, bytes);
    return run;
  }

  #load({ run, block }: BlockNeed): FactBatch {
    const bytes = this.#files.get(run) as Uint8Array;
    const { offset, length } = run.footer.blocks[block] as RunFooter['blocks'][number];
    return decodeRunBlock(run.footer, block, bytes.slice(offset, offset + length), this.#codec);
  }
}

/** The attributes of facts, all of them indexed. */
function schemaOf(facts: readonly StoredFact[]): Schema {
  const idents = new Set(facts.map(({ attribute }) => attribute));
  const definitions = [...idents].flatMap((ident) =>
    definitionFacts({
      ident,
      valueType: 'string',
      cardinality: 'many',
      unique: undefined,
      index: true,
      doc: undefined,
      inferred: false,
    }),
  );
  const asserted = definitions.map((fact): StoredFact => ({
    ...fact,
    tx: tx(1n),
    operation: 'assert',
  }));
  return foldSchema(initialSchema(), asserted);
}
