import type { DatabaseInfo, ItemsRecord } from '@pyralog/format';
import type { LogOffset } from '@pyralog/model';

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

/** Smaller parts would be many files. */
const PART_MIN: CutRule = { factsMax: 32_768, bytesMax: 8 * 1024 * 1024 };

/** The rule of each partition of a database: all of them together have about as much in memory as one alone would. */
export function partitionCut(
  { partitions }: Pick<DatabaseInfo, 'partitions'>,
  rule: CutRule,
): CutRule {
  const share = (whole: number, least: number): number =>
    Math.max(Math.ceil(whole / partitions), Math.min(whole, least));
  return {
    factsMax: share(rule.factsMax, PART_MIN.factsMax),
    bytesMax: share(rule.bytesMax, PART_MIN.bytesMax),
  };
}

/** Counts the records of a part. */
export class Cutter {
  readonly #rule: CutRule;
  #begun: LogOffset | undefined;
  #facts = 0;
  #bytes = 0;

  /**
   * @param begun where the first part ends whatever the rule says: an indexer before, that may have had
   * another rule, has put a segment up to there, and a name is never put twice
   */
  constructor(rule: CutRule, begun?: LogOffset) {
    this.#rule = rule;
    this.#begun = begun;
  }

  /** Counts an admitted record. @returns whether the part ends behind it */
  add(offset: LogOffset, { facts }: ItemsRecord): boolean {
    this.#facts += facts.length;
    this.#bytes += facts.texts.length + facts.entities.bytes.length;
    if (!this.#ends(offset)) return false;
    this.#begun = undefined;
    this.#facts = 0;
    this.#bytes = 0;
    return true;
  }

  #ends(offset: LogOffset): boolean {
    if (this.#begun !== undefined) return offset + 1 >= this.#begun;
    return this.#facts >= this.#rule.factsMax || this.#bytes >= this.#rule.bytesMax;
  }
}
