import { isPyralogError } from '@pyralog/model';

/** How a check came out. */
export type Verdict = 'ok' | 'warn' | 'fail';

/** Tells of a check, and what to do where it did not come out well. */
export type Tell = (verdict: Verdict, text: string, advice?: string) => void;

/** An error as a part of a line. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message.replace(/\.$/, '') : String(error);
}

export function hintOf(error: unknown): string | undefined {
  return isPyralogError(error) ? error.hint : undefined;
}
