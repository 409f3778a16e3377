import type { PyralogError } from '@pyralog/model';
import type { Clock } from '@pyralog/runtime';

/** How long the same error is counted instead of told, in milliseconds. */
const QUIET_MILLIS = 60_000;
/** Kinds of errors that are remembered; there are not many more. */
const KINDS_MAX = 100;

interface Kind {
  readonly toldAtMillis: number;
  count: number;
}

/** Tells of an error that many meet at once, and of what came of it later, without a line for each of them. */
export class RepeatedErrors {
  readonly #clock: Clock;
  readonly #tell: (error: PyralogError, more: number) => void;
  readonly #kinds = new Map<string, Kind>();

  /** @param tell gets how many of the kind were met, and not told, since it was told last */
  constructor(clock: Clock, tell: (error: PyralogError, more: number) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  met(error: PyralogError): void {
    const now = this.#clock.monotonicMillis();
    const name = kindOf(error);
    const kind = this.#kinds.get(name);
    if (kind !== undefined && now - kind.toldAtMillis < QUIET_MILLIS) {
      kind.count++;
      return;
    }
    if (this.#kinds.size >= KINDS_MAX) this.#kinds.clear();
    this.#kinds.set(name, { toldAtMillis: now, count: 0 });
    this.#tell(error, kind?.count ?? 0);
  }
}

/** Defects are told apart by where they happened: they share a code and a sentence. */
function kindOf({ code, cause }: PyralogError): string {
  return code === 'internal' && cause instanceof Error ? `${code} ${cause.stack ?? ''}` : code;
}
