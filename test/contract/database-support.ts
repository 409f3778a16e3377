import { utf8Encode } from '@pyralog/base';
import type {
  CommitResult,
  CreateOptions,
  Database,
  DatabaseHost,
  FactsPage,
  FeedEvent,
  FeedQuery,
  PageOptions,
} from '@pyralog/client';
import {
  type ErrorCode,
  equalValues,
  type Fact,
  isPyralogError,
  type Tx,
  type Value,
} from '@pyralog/model';
import { expect } from 'vitest';

/** Commits a document given as data; texts go as they are. */
export function commit(database: Database, document: unknown): Promise<CommitResult> {
  return database.transact(
    utf8Encode(typeof document === 'string' ? document : JSON.stringify(document)),
  );
}

/** Commits operations alone. */
export function write(database: Database, ...ops: unknown[]): Promise<CommitResult> {
  return commit(database, { ops });
}

export async function create(
  host: DatabaseHost,
  name = 'main',
  options: CreateOptions = {},
): Promise<Database> {
  await host.create(name, options);
  return host.database(name);
}

/** Expects a refusal by its code, with a sentence. */
export async function expectCode(promise: Promise<unknown>, code: ErrorCode): Promise<void> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if (!('error' in outcome)) expect.unreachable(`expected ${code}, but it succeeded`);
  if (!isPyralogError(outcome.error)) throw outcome.error;
  expect({ code: outcome.error.code, detail: outcome.error.message }).toEqual({
    code,
    detail: expect.stringMatching(/\S{3}/),
  });
}

/** Facts without what a test does not say. */
export function told(
  facts: readonly Fact[],
): readonly (readonly [string, string, unknown, string])[] {
  return facts.map(({ entity, attribute, value, operation }) => [
    entity,
    attribute,
    plain(value),
    operation,
  ]);
}

/** Facts that are not about the schema. */
export function data(facts: readonly Fact[]): readonly Fact[] {
  return facts.filter(
    ({ entity }) => !entity.startsWith('attribute:') && !entity.startsWith('tx:'),
  );
}

function plain(value: Value): unknown {
  return value.type === 'string'
    ? value.value
    : value.type === 'int'
      ? Number(value.value)
      : `${value.type}:${String(value.value)}`;
}

/** All pages of a listing, which must agree about their basis. */
export async function allPages(
  page: (options: PageOptions) => Promise<FactsPage>,
  limit: number,
): Promise<{ readonly facts: readonly Fact[]; readonly basis: Tx; readonly pages: number }> {
  const first = await page({ limit });
  const facts = [...first.facts];
  let pages = 1;
  for (let next = first.next; next !== undefined; pages++) {
    const following = await page({ limit, cursor: next });
    expect(following.basis).toBe(first.basis);
    expect(following.facts.length).toBeGreaterThan(0);
    facts.push(...following.facts);
    next = following.next;
  }
  return { facts, basis: first.basis, pages };
}

/** Events of a feed up to now. */
export async function feedOf(
  database: Database,
  query: Omit<FeedQuery, 'follow'>,
): Promise<readonly FeedEvent[]> {
  const events: FeedEvent[] = [];
  for await (const event of database.feed({ ...query, follow: false })) events.push(event);
  return events;
}

/** What the facts of a log leave in force up to a tx, by the plainest fold. */
export function fold(facts: readonly Fact[], upTo: Tx): readonly Fact[] {
  let current: Fact[] = [];
  for (const fact of facts.filter(({ tx }) => tx <= upTo)) {
    current = current.filter(
      (other) =>
        other.entity !== fact.entity ||
        other.attribute !== fact.attribute ||
        !equalValues(other.value, fact.value),
    );
    if (fact.operation === 'assert') current.push(fact);
  }
  return current;
}
