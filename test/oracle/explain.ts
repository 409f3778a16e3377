/** Documents that were on their way at once, explained by an order. */
import { utf8Encode } from '@pyralog/base';
import type { CommitResult, Database } from '@pyralog/client';
import { isPyralogError, parseDocument, type PyralogError } from '@pyralog/model';
import { expect } from 'vitest';
import type { Model } from './model.ts';

/** What became of one document. */
export type Outcome =
  | { readonly text: string; readonly result: CommitResult }
  | { readonly text: string; readonly error: PyralogError };

/** What becomes of a document. */
export async function send(text: string, database: Database): Promise<Outcome> {
  try {
    return { text, result: await database.transact(utf8Encode(text)) };
  } catch (error) {
    if (!isPyralogError(error)) throw error;
    return { text, error };
  }
}

/**
 * The committed ones are taken by the model in the order of their tx: each must be what it means then. A refused one must
 * mean a refusal for the same before, between or behind them: whatever no other document of the round is in the way of is
 * never refused.
 */
export function explain(outcomes: readonly Outcome[], model: Model): void {
  const committed = outcomes.flatMap((outcome) => ('result' in outcome ? [outcome] : []));
  const refused = outcomes.flatMap((outcome) => ('error' in outcome ? [outcome] : []));
  const explained = new Set<Outcome>();
  const seen = new Map(refused.map((outcome) => [outcome, new Set<string>()]));
  const look = (): void => {
    for (const outcome of refused) {
      const codes = model.refusalsOf(parseDocument(outcome.text));
      for (const code of codes) seen.get(outcome)?.add(code);
      if (codes.has(outcome.error.code)) explained.add(outcome);
    }
  };
  look();
  for (const { text, result } of committed.toSorted(byTx)) {
    const wrong = model.take(text, result);
    expect(wrong, `${text} in ${shown(outcomes)}`).toBeUndefined();
    look();
  }
  for (const outcome of refused) {
    if (explained.has(outcome)) continue;
    const { code, message } = outcome.error;
    const meant = [...(seen.get(outcome) ?? [])].join() || 'nothing';
    expect.unreachable(
      `${outcome.text} was refused (${code}: ${message}), and means ${meant}, in ${shown(outcomes)}`,
    );
  }
}

/** The first result of a key comes before its second. */
function byTx(
  { result: a }: Outcome & { readonly result: CommitResult },
  { result: b }: Outcome & { readonly result: CommitResult },
): number {
  if (a.tx !== b.tx) return a.tx < b.tx ? -1 : 1;
  return Number(a.duplicate) - Number(b.duplicate);
}

function shown(outcomes: readonly Outcome[]): string {
  return outcomes
    .map((each) => `${each.text} → ${'result' in each ? each.result.tx : each.error.code}`)
    .join('\n');
}
