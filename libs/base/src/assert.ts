/**
 * Stops on a programmer's mistake. A broken invariant must not be served or stored, so the error is
 * no operating error: nothing catches it but the process boundary (crash rather than corrupt).
 */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** Marks a place that types prove to be out of reach; reaching it at run time is a defect. */
export function unreachable(value: never, message = 'unreachable'): never {
  throw new AssertionError(`${message}: ${String(value)}`);
}

/** The value, or a defect where it is absent. For lookups that cannot miss. */
export function must<T>(value: T | null | undefined, message: string): T {
  if (value === null || value === undefined) throw new AssertionError(message);
  return value;
}

/** A broken invariant. Never part of an answer to a user. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}
