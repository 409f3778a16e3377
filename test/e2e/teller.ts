import { type Accounts, BALANCE, HANDLE, handleOf, WATCH } from './bank.ts';
import type { Random } from './random.ts';
import { type Committed, type JsonFact, NAME_META } from './witness.ts';
import type { Sent } from './writers.ts';

const AMOUNT_MAX = 20;
/** Codes of what was made of balances and handles that are others' by now. */
const STALE = ['condition-failed', 'cas-failed'] as const;
const TAKEN = ['unique-conflict'] as const;

/** A value of an account, and a moment at which it was in force. */
interface Belief {
  readonly value: unknown;
  readonly at: bigint;
}

interface Content {
  readonly if: readonly unknown[];
  readonly ops: readonly unknown[];
}

type Order = Content & { readonly refusals?: readonly string[] };

/** Makes transactions of a bank of what was heard of it, which may be old. */
export class Teller {
  readonly #accounts: Accounts;
  readonly #random: Random;
  /** By account and attribute. */
  readonly #beliefs = new Map<string, Belief>();
  /** Whose watch the next order is about: two partners that leave at once are what the rule is about. */
  #follower: string | undefined;

  constructor(accounts: Accounts, random: Random) {
    this.#accounts = accounts;
    this.#random = random;
  }

  /** What was committed. */
  learn({ tx, facts }: Committed): void {
    const at = BigInt(tx);
    for (const { entity, attribute, operation } of facts)
      if (operation === 'retract') this.#believe(entity, attribute, undefined, at);
    for (const { entity, attribute, operation, value } of facts)
      if (operation === 'assert') this.#believe(entity, attribute, value, at);
  }

  /** All facts of an attribute that are in force at a basis. */
  learnAll(attribute: string, basis: bigint, facts: readonly JsonFact[]): void {
    const values = new Map(facts.map(({ entity, value }) => [entity, value]));
    for (const account of this.#accounts.all)
      this.#believe(account, attribute, values.get(account), basis);
  }

  /** The next transaction. Half of them have an idempotency key. */
  next(key: string): Sent {
    const { if: conditions, ops, refusals = [] } = this.#order();
    const isKeyed = this.#random.below(2) === 0;
    const document = {
      ...(isKeyed ? { id: key } : {}),
      meta: { [NAME_META]: key },
      if: conditions,
      // The first one says where it is coordinated.
      ops: this.#random.below(2) === 0 ? ops : ops.toReversed(),
    };
    return { key, body: JSON.stringify(document), isKeyed, refusals };
  }

  #order(): Order {
    const follower = this.#follower;
    if (follower !== undefined) {
      this.#follower = undefined;
      return this.#watch(follower);
    }
    const random = this.#random;
    const { byPartition } = this.#accounts;
    const one = random.below(byPartition.length);
    const other = (one + 1 + random.below(byPartition.length - 1)) % byPartition.length;
    const from = this.#on(one);
    switch (random.below(15)) {
      case 0:
      case 1:
        return this.#transfer(from, [this.#on(one, from)]);
      case 2:
      case 3:
        return this.#transfer(
          from,
          byPartition.flatMap((_, p) => (p === one ? [] : [this.#on(p)])),
        );
      case 4:
      case 5:
        return this.#exchange(from, this.#on(other));
      case 6:
        return this.#claim(from, this.#on(other));
      case 7:
        return { if: [], ops: [{ op: 'retract', entity: from, attribute: HANDLE }] };
      case 8:
        return { if: [], ops: [{ entity: from, 'account/note': `n${random.below(1_000)}` }] };
      case 9:
      case 10:
      case 11:
        this.#follower = this.#accounts.partnerOf(from);
        return this.#watch(from);
      default:
        return this.#transfer(from, [this.#on(other)]);
    }
  }

  /** An account of a partition, and not a certain one. */
  #on(partition: number, but?: string): string {
    const accounts = this.#accounts.byPartition[partition] ?? [];
    return this.#random.pick(accounts.filter((account) => account !== but));
  }

  /** Moves money, on conditions of all balances: so nobody owes anything. */
  #transfer(from: string, to: readonly string[]): Order {
    const had = this.#balance(from);
    const each = Math.min(1 + this.#random.below(AMOUNT_MAX), Math.floor(had / to.length));
    const changes = [
      this.#change(from, BALANCE, had, had - each * to.length),
      ...to.map((account) => {
        const balance = this.#balance(account);
        return this.#change(account, BALANCE, balance, balance + each);
      }),
    ];
    return { ...together(changes), refusals: STALE };
  }

  /** Two accounts give each other the handle that they have, or none. */
  #exchange(one: string, other: string): Order {
    const [its, others] = [this.#handle(one), this.#handle(other)];
    const changes = [
      this.#change(one, HANDLE, its, others),
      this.#change(other, HANDLE, others, its),
    ];
    return { ...together(changes), refusals: [...STALE, ...TAKEN] };
  }

  /** Takes a handle, which may be somebody's. */
  #claim(entity: string, owner: string): Order {
    const ops = [{ op: 'assert', entity, attribute: HANDLE, value: handleOf(owner) }];
    return { if: [], ops, refusals: TAKEN };
  }

  /** Leaves the watch to its partner, who is not written; or takes it up again. */
  #watch(entity: string): Order {
    const watches = this.#beliefs.get(`${entity} ${WATCH}`)?.value === true;
    const partner = this.#accounts.partnerOf(entity);
    const ops = [{ op: 'assert', entity, attribute: WATCH, value: !watches }];
    if (!watches) return { if: [], ops };
    return { if: [this.#condition(partner, WATCH, true)], ops, refusals: STALE };
  }

  /** @param old and `value`: null for none */
  #change(entity: string, attribute: string, old: unknown, value: unknown): Content {
    const place = { entity, attribute };
    if (this.#random.below(3) === 0 && old !== value)
      return { if: [], ops: [{ op: 'cas', ...place, old, new: value }] };
    const op = value === null ? { op: 'retract', ...place } : { op: 'assert', ...place, value };
    return { if: [this.#condition(entity, attribute, old)], ops: [op] };
  }

  /** That it is what it is believed to be. */
  #condition(entity: string, attribute: string, is: unknown): object {
    const believed = this.#beliefs.get(`${entity} ${attribute}`);
    const isSaid = (believed?.value ?? null) !== is || this.#random.below(2) === 0;
    const said = isSaid ? { is } : { unchangedSince: String(believed?.at ?? 0n) };
    return { entity, attribute, ...said };
  }

  #believe(entity: string, attribute: string, value: unknown, at: bigint): void {
    const name = `${entity} ${attribute}`;
    const known = this.#beliefs.get(name);
    if (known === undefined || known.at <= at) this.#beliefs.set(name, { value, at });
  }

  #balance(account: string): number {
    return (this.#beliefs.get(`${account} ${BALANCE}`)?.value ?? 0) as number;
  }

  #handle(account: string): string | null {
    return (this.#beliefs.get(`${account} ${HANDLE}`)?.value ?? null) as string | null;
  }
}

function together(changes: readonly Content[]): Content {
  return {
    if: changes.flatMap((change) => change.if),
    ops: changes.flatMap(({ ops }) => ops),
  };
}
