import type { ReadOptions } from '@pyralog/client';
import { CLOCK_SKEW_MAX, type DatabaseMode, PyralogError, type Tx } from '@pyralog/model';
import type { Clock } from '@pyralog/runtime';

const TIMEOUT_MILLIS = 5_000;
/** How long a read of the newest state waits for what was acknowledged. */
const OWN_MILLIS_MAX = 1_000;

/** What time is read of: one partition, or all of a database. */
export interface Timed {
  /** The greatest moment that can no longer change. */
  readonly closed: Tx;
  /** The greatest that is closed on any partition of the database. */
  readonly latest: Tx;
  readonly mode: DatabaseMode;
  /** Resolves when `tx` is closed, the time is over or the signal aborts. */
  waitClosed(tx: Tx, timeoutMillis: number, signal?: AbortSignal): Promise<void>;
  /** Asks the owners for CLOSED records at once, at `tx` or above. */
  requestClosed(tx: Tx): void;
}

/**
 * The basis of a read: the closed timestamp, or the moment asked for. Waits, within the time limit,
 * until what is awaited or asked for is closed; a moment that the clock has not reached is refused. In
 * import mode time follows the data, so a moment beyond it is answered at the last one there is.
 *
 * @throws PyralogError `await-timeout`, `as-of-future`
 */
export async function basisOf(timed: Timed, clock: Clock, options: ReadOptions): Promise<Tx> {
  const { asOf } = options;
  if (options.await !== undefined && timed.closed < options.await) {
    await until(timed, clock, options.await, options, 'await-timeout');
  }
  if (asOf === undefined) return timed.closed;
  if (asOf <= timed.closed) return asOf;
  if (timed.mode === 'import') {
    // Other partitions hear of the time of the data a little later.
    const last = asOf < timed.latest ? asOf : timed.latest;
    await until(timed, clock, last, options, 'await-timeout');
    return asOf < timed.closed ? asOf : timed.closed;
  }
  const ahead = asOf - clock.nowNanos();
  if (ahead > CLOCK_SKEW_MAX) {
    throw new PyralogError(
      'as-of-future',
      `The moment ${asOf} lies ${ahead / 1_000_000n} ms ahead of this server's clock.`,
      { hint: 'Leave asOf out to read the newest state.' },
    );
  }
  await until(timed, clock, asOf, options, 'await-timeout');
  return asOf;
}

/**
 * The basis of a read of the newest state by those who were told of a transaction: at it or above, as a rule. Where that
 * takes long, promises to a partition that is away hold it back, and the answer is of what there is, as its basis says.
 */
export async function newestBasis(
  timed: Timed,
  clock: Clock,
  acknowledged: Tx,
  { timeoutMillis = TIMEOUT_MILLIS, signal }: ReadOptions,
): Promise<Tx> {
  if (timed.closed < acknowledged)
    await reached(timed, clock, acknowledged, Math.min(timeoutMillis, OWN_MILLIS_MAX), signal);
  return timed.closed;
}

async function until(
  timed: Timed,
  clock: Clock,
  tx: Tx,
  { timeoutMillis = TIMEOUT_MILLIS, signal }: ReadOptions,
  code: 'await-timeout',
): Promise<void> {
  if (await reached(timed, clock, tx, timeoutMillis, signal)) return;
  if (signal?.aborted) throw new PyralogError(code, 'The reader went away while waiting.');
  throw new PyralogError(
    code,
    `Everything up to ${timed.closed} is here; ${tx} has not arrived within ${timeoutMillis} ms.`,
    {
      hint: 'Ask again, give a longer timeout, or check that the tx belongs to this database.',
    },
  );
}

/** @returns whether a moment was closed before the time was over or the signal aborted */
async function reached(
  timed: Timed,
  clock: Clock,
  tx: Tx,
  timeoutMillis: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const end = clock.monotonicMillis() + timeoutMillis;
  while (timed.closed < tx) {
    const left = end - clock.monotonicMillis();
    if (left <= 0 || signal?.aborted === true) return false;
    // An idle owner closes only now and then; a CLOSED behind the clock tells nothing, so ask again.
    timed.requestClosed(tx);
    await timed.waitClosed(tx, Math.min(left, 100), signal);
  }
  return true;
}
