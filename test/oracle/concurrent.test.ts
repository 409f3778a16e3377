/**
 * Documents that are on their way at once, over four partitions: what comes of them is explained by an order, that of
 * their tx.
 */
import type { CommitResult } from '@pyralog/client';
import { utf8Encode } from '@pyralog/base';
import { isPyralogError, parseDocument, type PyralogError, TX_NONE } from '@pyralog/model';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { SharedThread } from '../contract/shared-thread.ts';
import { transact } from './commands.ts';
import { DEFINED, definition, draft, filled } from './documents.ts';
import { Model } from './model.ts';
import { runs } from './runs.ts';
import { Subject } from './subject.ts';

const threads = new SharedThread();
afterAll(() => threads[Symbol.asyncDispose]());

/** What became of one document. */
type Outcome =
  | { readonly text: string; readonly result: CommitResult }
  | { readonly text: string; readonly error: PyralogError };

const round = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: draft },
    { weight: 1, arbitrary: definition.map((op) => ({ ops: [op] })) },
  ),
  { minLength: 2, maxLength: 8 },
);

test(
  'I9 documents that are sent at once are committed in the order of their tx, and refused for what was so meanwhile',
  { timeout: 1_800_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(round, { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 3, max: 60 }),
        async (rounds, factsMax) => {
          await using subject = await Subject.make(threads, 4, factsMax);
          const model = new Model({ strict: false, mode: 'live' });
          await transact(DEFINED, model, subject);
          for (const drafts of rounds) {
            const texts = drafts.map((each) => filled(each, model));
            explain(await Promise.all(texts.map((text) => send(text, subject))), model);
          }
          const last = model.transactions.at(-1)?.tx ?? TX_NONE;
          const { facts, next } = await subject.database.state(
            { index: 'eavt', limit: 10_000 },
            { asOf: last },
          );
          expect(next).toBeUndefined();
          expect(facts).toEqual(model.fold.stateAt(last));
          expect(subject.troubles).toEqual([]);
        },
      ),
      runs(60),
    );
  },
);

async function send(text: string, { database }: Subject): Promise<Outcome> {
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
function explain(outcomes: readonly Outcome[], model: Model): void {
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
