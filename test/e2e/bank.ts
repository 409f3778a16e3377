import { partitionOf } from '@pyralog/model';
import { expect } from 'vitest';
import type { Rule } from './rules.ts';
import type { JsonFact } from './witness.ts';
import type { Sent } from './writers.ts';

export const BALANCE = 'account/balance';
export const HANDLE = 'account/handle';
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

  /** Defines the attributes, and opens all accounts with the same balance and a handle each. */
  get opening(): readonly Sent[] {
    const define = (ident: string, valueType: string, more = {}): unknown => ({
      entity: `attribute:${ident}`,
      'db/ident': ident,
      'db/valueType': valueType,
      'db/cardinality': 'one',
      ...more,
    });
    const unique = { 'db/unique': 'value' };
    const definitions = [define(BALANCE, 'int'), define(HANDLE, 'string', unique)];
    const opened = this.all.map((entity) => ({
      entity,
      [BALANCE]: OPENING_BALANCE,
      [HANDLE]: handleOf(entity),
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
 * What all accounts hold together is always the same (I2), none of them owes anything, and no two have one handle: after
 * every transaction of the feed, and at every moment that is asked for.
 */
export class BankRule implements Rule {
  readonly attributes: readonly string[] = [BALANCE, HANDLE];
  readonly #total: number;
  readonly #inForce = new Map(this.attributes.map((name) => [name, new Map<string, JsonFact>()]));

  constructor({ all }: Accounts) {
    this.#total = OPENING_BALANCE * all.length;
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
    // Before they are opened there are none.
    if (attribute !== BALANCE || facts.length === 0) return;
    const balances = values as number[];
    const total = balances.reduce((a, b) => a + b, 0);
    expect(total, 'I2: what all accounts hold').toBe(this.#total);
    expect(Math.min(...balances), 'the least balance').toBeGreaterThanOrEqual(0);
  }
}
