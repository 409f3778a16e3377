import { PyralogError } from '@pyralog/model';

/** Bytes that are no Arrow IPC, or not whole. */
export function notArrow(why: string, hint?: string): PyralogError {
  return new PyralogError('document-invalid', `The Arrow data do not hold together: ${why}.`, {
    hint: hint ?? 'Write them with an Arrow library, and close its writer before sending.',
  });
}

/** A column that no transaction document has, or of a type that is no value. */
export function badColumn(name: string, why: string, hint?: string): PyralogError {
  return new PyralogError('document-invalid', `The column ${quoted(name)} ${why}.`, { hint });
}

export function quoted(text: string): string {
  const shown = text.length <= 60 ? text : `${text.slice(0, 57).toWellFormed()}…`;
  return JSON.stringify(shown);
}

/** So much of something, and no more: what outsiders announce or repeat must not become memory. */
export class Budget {
  readonly #limit: number;
  readonly #what: string;
  #used = 0;

  /** @param what the subject of the refusal */
  constructor(limit: number, what: string) {
    this.#limit = limit;
    this.#what = what;
  }

  /** @throws transaction-too-large */
  take(amount: number): void {
    this.#used += amount;
    if (this.#used <= this.#limit) return;
    throw new PyralogError(
      'transaction-too-large',
      `${this.#what} more than ${this.#limit} bytes (64 MiB), which is the limit.`,
      { hint: 'Split it into several transactions.', extra: { limit: this.#limit } },
    );
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @returns undefined where the bytes are no UTF-8 */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return UTF8.decode(bytes);
  } catch {
    return undefined;
  }
}
