import { must } from '@pyralog/base';
import { type PartitionNo, partitionNo, partitionOf } from '@pyralog/model';
import type { Choice } from '@pyralog/sim';
import {
  type DocumentCondition,
  type DocumentOperation,
  MINTED,
  type WorkloadDocument,
} from './check/serial.ts';
import type { Known, Workload } from './workload.ts';

/** Entities of a partition that documents meet at: few, so that some wait for others. */
const HOT_MAX = 4;
const ACCOUNTS_EACH = 2;
const OPENING_BALANCE = 100;
const VALUES = 5;
/** Attributes that become unique, or of many values, one after the other, while they begin to be used. */
const CHANGING = 6;
/** Documents of a writer after which the next of them is the one. */
const CHANGES_EVERY = 8;
/** Documents that do not go to the partition of the first entity that they write. */
const SHARE_MISROUTED = 0.2;

/** Runs with documents of a few kinds alone, which meet the more. */
const SHARE_OF_FEW = 0.4;
const FEW_MAX = 4;

type Content = Pick<WorkloadDocument, 'if' | 'ops'>;

/** What a document is made of. */
interface Making {
  readonly op: string;
  readonly choice: Choice;
  readonly known: Known;
  /** Of the attributes that change, the one that is in use. */
  readonly changing: number;
}

/** Kinds of documents, as often as they stand here. */
const KINDS = [
  'set',
  'set',
  'nothing',
  'pair',
  'pair',
  'triple',
  'cas',
  'if',
  'if',
  'unchanged',
  'retract',
  'tag',
  'append',
  'append',
  'readAppend',
  'readAppend',
  'readAppend',
  'transfer',
  'transfer',
  'transferIf',
  'deal',
  'open',
  'audit',
  'claim',
  'claim',
  'claim',
  'move',
  'swap',
  'release',
  'upsert',
  'upsert',
  'once',
] as const;
/** In runs where the schema changes besides. */
const KINDS_OF_CHANGE = ['use', 'use', 'many', 'unique', 'describe'] as const;

type Kind = (typeof KINDS)[number] | (typeof KINDS_OF_CHANGE)[number];

/** Documents over several partitions: money, lists, unique values, and whatever else meets at a few entities. */
export class SpreadWorkload implements Workload {
  readonly bank: Workload['bank'];
  readonly #partitions: number;
  readonly #kinds: readonly Kind[];
  /** By partition. */
  readonly #hot: readonly (readonly string[])[];
  readonly #accounts: readonly string[];
  readonly #lists: readonly string[];

  constructor(partitions: number, choice: Choice) {
    this.#partitions = partitions;
    const hot = 1 + choice.pick(HOT_MAX, 'hot entities');
    const kinds = choice.chance(0.5, 'the schema changes') ? [...KINDS, ...KINDS_OF_CHANGE] : KINDS;
    this.#kinds = choice.chance(SHARE_OF_FEW, 'few kinds') ? fewOf(kinds, choice) : kinds;
    const all = Array.from({ length: partitions }, (_, p) => partitionNo(p));
    this.#hot = all.map((p) => this.#namesOn(p, 'e', hot));
    this.#accounts = all.flatMap((p) => this.#namesOn(p, 'account', ACCOUNTS_EACH));
    this.#lists = all.flatMap((p) => this.#namesOn(p, 'list', 1 + (hot > 2 ? 1 : 0)));
    const total = BigInt(this.#accounts.length * OPENING_BALANCE);
    this.bank = { attribute: 'balance', total };
  }

  /** What is there before anybody begins. Other attributes are declared by their first use, here and there. */
  get prelude(): readonly WorkloadDocument[] {
    const define = (ident: string, definition: object): DocumentOperation => ({
      entity: `attribute:${ident}`,
      ...definition,
    });
    const [string, int] = [{ 'db/valueType': 'string' }, { 'db/valueType': 'int' }];
    const changing = Array.from({ length: CHANGING }, (_, i) => i);
    return [
      {
        meta: { reason: 'schema' },
        ops: [
          define('mail', { ...string, 'db/unique': 'value' }),
          define('handle', { ...string, 'db/unique': 'identity' }),
          define('items', { ...string, 'db/cardinality': 'many' }),
          ...changing.map((i) => define(`u${i}`, string)),
          ...changing.map((i) => define(`m${i}`, int)),
        ],
      },
      { meta: { reason: 'opening' }, ...this.#open() },
    ];
  }

  next(writer: string, choice: Choice, known: Known, count: number): WorkloadDocument {
    const kind = this.#kinds[choice.pick(this.#kinds.length, 'kind of document')] ?? 'set';
    const op = `${writer}-${count}-${kind}`;
    const id = choice.chance(0.3, 'keyed') ? { id: `key-${op}` } : {};
    const changing = Math.floor(count / CHANGES_EVERY) % CHANGING;
    return { ...id, meta: { reason: op }, ...this.#make(kind, { op, choice, known, changing }) };
  }

  door(document: WorkloadDocument, choice: Choice): PartitionNo {
    if (choice.chance(SHARE_MISROUTED, 'misrouted'))
      return partitionNo(choice.pick(this.#partitions, 'door'));
    const { entity } = must(document.ops[0], 'a document writes');
    return partitionOf(entity, this.#partitions);
  }

  #make(kind: Kind, making: Making): Content {
    const { op, choice, changing } = making;
    const entity = this.#hotOne(choice);
    const n = choice.pick(VALUES, 'value');
    const [one, two] = this.#hotTwo(choice);
    switch (kind) {
      case 'set':
        return { ops: [{ entity, n, s: op }] };
      case 'nothing':
        return { ops: [{ entity, n: null }] };
      case 'pair':
        return {
          ops: [
            { entity: one, n, s: op },
            { entity: two, n },
          ],
        };
      case 'triple':
        return { ops: this.#hot.map((names) => ({ entity: picked(names, choice), n, s: op })) };
      case 'tag':
        return { ops: [{ entity, tags: [op] }] };
      case 'retract':
        return choice.chance(0.4, 'whole entity')
          ? { ops: [{ op: 'retractEntity', entity }] }
          : { ops: [{ op: 'retract', entity, attribute: 'tags' }] };
      case 'once': {
        const once = `once:${choice.pick(VALUES, 'once')}`;
        return { if: [{ entity: once, absent: true }], ops: [{ entity: once, s: op }] };
      }
      case 'use':
        return { ops: [{ entity, [`u${changing}`]: `v${n % 3}`, [`m${changing}`]: n }] };
      case 'many':
        return { ops: [{ entity: `attribute:m${changing}`, 'db/cardinality': 'many' }] };
      case 'unique':
        return { ops: [{ entity: `attribute:u${changing}`, 'db/unique': 'value' }] };
      case 'describe':
        return { ops: [{ entity: 'attribute:n', 'db/doc': op }] };
      case 'cas':
      case 'if':
      case 'unchanged':
      case 'audit':
        return this.#conditional(kind, making, [one, two]);
      case 'append':
      case 'readAppend':
        return this.#append(kind, making);
      case 'transfer':
      case 'transferIf':
      case 'deal':
      case 'open':
        return this.#money(kind, making);
      default:
        return this.#unique(kind, making, [one, two]);
    }
  }

  /** What is written on one partition, by what is so on another. */
  #conditional(
    kind: 'cas' | 'if' | 'unchanged' | 'audit',
    { op, choice, known }: Making,
    [one, two]: readonly [string, string],
  ): Content {
    const old = numberOf(known, one, 'n');
    const n = choice.pick(VALUES, 'value');
    switch (kind) {
      case 'cas':
        return {
          ops: [
            { op: 'cas', entity: one, attribute: 'n', old, new: n },
            { entity: two, s: op },
          ],
        };
      case 'if':
        return { if: [{ entity: one, attribute: 'n', is: old }], ops: [{ entity: two, n, s: op }] };
      case 'unchanged': {
        const unchangedSince = known.basis.toString();
        const attribute = choice.chance(0.5, 'of all') ? {} : { attribute: 'n' };
        return {
          if: [{ entity: one, ...attribute, unchangedSince }],
          ops: [{ entity: two, n, s: op }],
        };
      }
      case 'audit':
        return {
          if: this.#accounts.map((entity) => balanceIs(known, entity)),
          ops: [{ entity: two, s: op }],
        };
    }
  }

  #append(kind: 'append' | 'readAppend', { op, choice, known }: Making): Content {
    const first = choice.pick(this.#lists.length, 'list');
    const second =
      (first + 1 + choice.pick(this.#lists.length - 1, 'other list')) % this.#lists.length;
    const [list, other] = [this.#lists[first] ?? '', this.#lists[second] ?? ''];
    if (kind === 'readAppend') {
      const is = [...(known.values.get(`${other} items`) ?? [])];
      return {
        if: [{ entity: other, attribute: 'items', is }],
        ops: [{ entity: list, items: [op] }],
      };
    }
    const both = choice.chance(0.5, 'both') ? [list, other] : [list];
    return { ops: both.map((entity) => ({ entity, items: [op] })) };
  }

  #money(kind: 'transfer' | 'transferIf' | 'deal' | 'open', { choice, known }: Making): Content {
    const accounts = this.#accounts;
    const from = choice.pick(accounts.length, 'from');
    const to = (from + 1 + choice.pick(accounts.length - 1, 'to')) % accounts.length;
    const amount = 1 + choice.pick(9, 'amount');
    const [payer, payee] = [accounts[from] ?? '', accounts[to] ?? ''];
    const [had, has] = [numberOf(known, payer, 'balance'), numberOf(known, payee, 'balance')];
    if (kind === 'open' || had === null || has === null)
      return {
        if: [{ entity: accounts[0] ?? '', absent: true }],
        ...this.#open(),
      };
    if (kind === 'deal') {
      // Whatever they have: it is dealt out anew.
      const shift = (i: number): number => (i === from ? -amount : i === to ? amount : 0);
      const ops = accounts.map((entity, i) => ({ entity, balance: OPENING_BALANCE + shift(i) }));
      return { ops };
    }
    const sides = [
      { entity: payer, old: had, new: had - amount },
      { entity: payee, old: has, new: has + amount },
    ];
    if (kind === 'transfer')
      return { ops: sides.map((side) => ({ op: 'cas', attribute: 'balance', ...side })) };
    return {
      if: [balanceIs(known, payer), balanceIs(known, payee)],
      ops: sides.map((side) => ({ entity: side.entity, balance: side.new })),
    };
  }

  #open(): { readonly ops: readonly DocumentOperation[] } {
    return { ops: this.#accounts.map((entity) => ({ entity, balance: OPENING_BALANCE })) };
  }

  /** Values that one entity may have. */
  #unique(
    kind: 'claim' | 'move' | 'swap' | 'release' | 'upsert',
    { op, choice, known }: Making,
    [one, two]: readonly [string, string],
  ): Content {
    const mail = `mail${choice.pick(VALUES, 'mail')}`;
    const [held] = known.values.get(`${one} mail`) ?? [];
    const [other] = known.values.get(`${two} mail`) ?? [];
    switch (kind) {
      case 'move':
        if (held === undefined) break;
        return {
          ops: [
            { op: 'retract', entity: one, attribute: 'mail', value: held },
            { entity: two, mail: held },
          ],
        };
      case 'swap':
        if (held === undefined || other === undefined) break;
        return {
          ops: [
            { entity: one, mail: other },
            { entity: two, mail: held },
          ],
        };
      case 'release':
        return { ops: [{ op: 'retract', entity: one, attribute: 'mail' }] };
      case 'upsert':
        return {
          ops: [
            { entity: two, link: { ref: `_:${MINTED}x` }, s: op },
            { entity: `_:${MINTED}x`, handle: `handle${choice.pick(VALUES, 'handle')}`, s: op },
          ],
        };
      default:
    }
    return { ops: [{ entity: one, mail, s: op }] };
  }

  #hotOne(choice: Choice): string {
    return picked(this.#hot[choice.pick(this.#hot.length, 'partition')] ?? [], choice);
  }

  /** Of two partitions. */
  #hotTwo(choice: Choice): readonly [string, string] {
    const first = choice.pick(this.#partitions, 'partition');
    const step = 1 + choice.pick(this.#partitions - 1, 'other partition');
    const second = (first + step) % this.#partitions;
    return [picked(this.#hot[first] ?? [], choice), picked(this.#hot[second] ?? [], choice)];
  }

  /** Names that lie on a partition. */
  #namesOn(partition: PartitionNo, prefix: string, count: number): string[] {
    const names: string[] = [];
    for (let i = 0; names.length < count; i++) {
      const name = `${prefix}:${i}`;
      if (partitionOf(name, this.#partitions) === partition) names.push(name);
    }
    return names;
  }
}

function fewOf(kinds: readonly Kind[], choice: Choice): readonly Kind[] {
  const count = 1 + choice.pick(FEW_MAX, 'how many kinds');
  return Array.from({ length: count }, () => kinds[choice.pick(kinds.length, 'kind')] ?? 'set');
}

function picked(names: readonly string[], choice: Choice): string {
  return must(names[choice.pick(names.length, 'entity')], 'there are names');
}

function numberOf({ values }: Known, entity: string, attribute: string): number | null {
  const held = values.get(`${entity} ${attribute}`)?.[0];
  return held === undefined ? null : Number(held);
}

function balanceIs(known: Known, entity: string): DocumentCondition {
  return { entity, attribute: 'balance', is: numberOf(known, entity, 'balance') };
}
