import type { ItemsRecord } from '@pyralog/format';

/**
 * Where the live index is cut into parts, each of which becomes a segment and a set of runs. A pure
 * function of admitted log content, so that the indexer and every reader cut at the same records and
 * two indexers write the same files (I12).
 */
export interface CutRule {
  /** Facts after which a part ends. */
  readonly factsMax: number;
  /** Bytes of texts (entities and values, as they stand in the records) after which a part ends. */
  readonly bytesMax: number;
}

/** Parts of 262,144 facts or 64 MiB, whichever comes first. */
export const DEFAULT_CUT: CutRule = { factsMax: 262_144, bytesMax: 64 * 1024 * 1024 };

/** Counts the records of a part. */
export class Cutter {
  readonly #rule: CutRule;
  #facts = 0;
  #bytes = 0;

  constructor(rule: CutRule) {
    this.#rule = rule;
  }

  /** Counts an admitted record. @returns whether the part ends behind it */
  add({ facts }: ItemsRecord): boolean {
    this.#facts += facts.length;
    this.#bytes += facts.texts.length + facts.entities.bytes.length;
    if (this.#facts < this.#rule.factsMax && this.#bytes < this.#rule.bytesMax) return false;
    this.#facts = 0;
    this.#bytes = 0;
    return true;
  }
}
