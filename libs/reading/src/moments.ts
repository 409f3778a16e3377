import type { ReadOptions } from '@pyralog/client';
import { CLOCK_SKEW_MAX, PyralogError, type Tx } from '@pyralog/model';
import type { Clock } from '@pyralog/runtime';
import type { PartitionReader } from './partition-reader.ts';

const TIMEOUT_MILLIS = 5_000;

export interface MomentDeps {
  readonly reader: PartitionReader;
  readonly clock: Clock;
  /** Asks the owner of the partition for a CLOSED record at once. */
  readonly requestClosed: () => void;
}

/**
 * The basis of a read: the closed timestamp, or the moment asked for. Waits, within the time limit,
 * until what is awaited or asked for is closed; a moment that the clock has not reached is refused. In
 * import mode time follows the data, so a moment beyond it is answered at the last one there is.
 *
 * @throws PyralogError `await-timeout`, `as-of-future`
 */
export async function basisOf(deps: MomentDeps, options: ReadOptions): Promise<Tx> {
  const { reader } = deps;
  const { asOf } = options;
  if (options.await !== undefined && reader.closed < options.await) {
    await until(deps, options.await, options, 'await-timeout');
  }
  if (asOf === undefined) return reader.closed;
  if (asOf <= reader.closed) return asOf;
  if (reader.schema.mode === 'import') return reader.closed;
  const ahead = asOf - deps.clock.nowNanos();
  if (ahead > CLOCK_SKEW_MAX) {
    throw new PyralogError(
      'as-of-future',
      `The moment ${asOf} lies ${ahead / 1_000_000n} ms ahead of this server's clock.`,
      { hint: 'Leave asOf out to read the newest state.' },
    );
  }
  await until(deps, asOf, options, 'await-timeout');
  return asOf;
}

async function until(
  { reader, clock, requestClosed }: MomentDeps,
  tx: Tx,
  { timeoutMillis = TIMEOUT_MILLIS, signal }: ReadOptions,
  code: 'await-timeout',
): Promise<void> {
  const end = clock.monotonicMillis() + timeoutMillis;
  while (reader.closed < tx) {
    const left = end - clock.monotonicMillis();
    if (left <= 0) {
      throw new PyralogError(
        code,
        `Everything up to ${reader.closed} is here; ${tx} has not arrived within ${timeoutMillis} ms.`,
        {
          hint: 'Ask again, give a longer timeout, or check that the tx belongs to this database.',
        },
      );
    }
    if (signal?.aborted) throw new PyralogError(code, 'The reader went away while waiting.');
    // An idle owner closes only now and then; a CLOSED behind the clock tells nothing, so ask again.
    requestClosed();
    await reader.waitClosed(tx, Math.min(left, 100), signal);
  }
}
