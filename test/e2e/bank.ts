import { partitionOf } from '@pyralog/model';
import { expect } from 'vitest';
import type { Rule } from './rules.ts';
import type { JsonFact } from './witness.ts';
import type { Sent } from './writers.ts';

export const BALANCE = 'account/balance';
export const HANDLE = 'account/handle';
export const WATCH = 'account/watch';
/** Even, for each has a partner. */
const PER_PARTITION = 4;
const OPENING_BALANCE = 50;

/** Accounts on every partition of a database. */
export class Accounts {
  readonly byPartition: readonly (readonly string[])[];
  readonly all: readonly string[];

  constructor(partitions: number) {
    const accounts: string[][] = Array.from({ length: partitions }, () => []);
    for (let i = 0; accounts.some(({ length }) => length < PER_PARTITION); i++) {
      const here = accounts[partitionOf(`account:${i}`, partitions)] ?? [];
      if (here.length < PER_PARTITION) here.push(`account:${i}`);
    }
    this.byPartition = accounts;
    this.all = accounts.flat();
  }

  /** Another account, on another partition where there are several, whose partner this one is. */
  partnerOf(account: string): string {
    const partition = this.byPartition.findIndex((here) => here.includes(account));
    const place = this.byPartition[partition]?.indexOf(account) ?? 0;
    const step = place % 2 === 0 ? 1 : -1;
    const count = this.byPartition.length;
    return this.byPartition[(partition + step + count) % count]?.[place + step] ?? account;
  }

  /** Defines the attributes, and opens all accounts with the same balance and a handle each; all of them watch. */
  get opening(): readonly Sent[] {
    const define = (ident: string, valueType: string, more = {}): unknown => ({
      entity: `attribute:${ident}`,
      'db/ident': ident,
      'db/valueType': valueType,
      'db/cardinality': 'one',
      ...more,
    });
    const unique = { 'db/unique': 'value' };
    const definitions = [
      define(BALANCE, 'int'),
      define(HANDLE, 'string', unique),
      define(WATCH, 'bool'),
    ];
    const opened = this.all.map((entity) => ({
      entity,
      [BALANCE]: OPENING_BALANCE,
      [HANDLE]: handleOf(entity),
      [WATCH]: true,
    }));
    const sent = (key: string, ops: readonly unknown[]): Sent => ({
      key,
      body: JSON.stringify({ id: key, ops }),
      isKeyed: true,
    });
    return [sent('define', definitions), sent('open', opened)];
  }
}

/** The handle that an account has at first. */
export function handleOf(account: string): string {
  return account.replace('account:', '@');
}

/**
 * What all accounts hold together is always the same (I2), none of them owes anything, no two have one handle, and of two
 * partners one watches: after every transaction of the feed, and at every moment that is asked for. The last is what
 * conditions on an entity are for that the transaction does not write: without their locks both leave at once.
 */
export class BankRule implements Rule {
  readonly attributes: readonly string[] = [BALANCE, HANDLE, WATCH];
  readonly #accounts: Accounts;
  readonly #total: number;
  readonly #inForce = new Map(this.attributes.map((name) => [name, new Map<string, JsonFact>()]));

  constructor(accounts: Accounts) {
    this.#accounts = accounts;
    this.#total = OPENING_BALANCE * accounts.all.length;
  }

  fold(facts: readonly JsonFact[]): void {
    for (const [attribute, inForce] of this.#inForce) {
      const changed = facts.filter((fact) => fact.attribute === attribute);
      for (const { entity, operation } of changed)
        if (operation === 'retract') inForce.delete(entity);
      for (const fact of changed) if (fact.operation === 'assert') inForce.set(fact.entity, fact);
      if (changed.length > 0) this.check(attribute, [...inForce.values()]);
    }
  }

  check(attribute: string, facts: readonly JsonFact[]): void {
    const values = facts.map(({ value }) => value);
    if (attribute === HANDLE)
      expect(values.length, 'accounts with a handle').toBe(new Set(values).size);
    if (attribute === WATCH) {
      const watching = new Set(
        facts.flatMap(({ entity, value }) => (value === true ? entity : [])),
      );
      for (const { entity } of facts)
        expect(
          watching.has(entity) || watching.has(this.#accounts.partnerOf(entity)),
          `of ${entity} and its partner one watches`,
        ).toBe(true);
    }
    // Before they are opened there are none.
    if (attribute !== BALANCE || facts.length === 0) return;
    const balances = values as number[];
    const total = balances.reduce((a, b) => a + b, 0);
    expect(total, 'I2: what all accounts hold').toBe(this.#total);
    expect(Math.min(...balances), 'the least balance').toBeGreaterThanOrEqual(0);
  }
}
