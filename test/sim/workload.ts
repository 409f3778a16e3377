import { type PartitionNo, partitionNo, type StoredFact } from '@pyralog/model';
import type { Choice } from '@pyralog/sim';
import { textOfValue } from './check/history.ts';
import type { DocumentCondition, DocumentOperation, WorkloadDocument } from './check/serial.ts';

/** What a writer knows of the database: stale, as a client's knowledge is. */
export interface Known {
  readonly basis: bigint;
  /** Values in force, by `entity attribute`. */
  readonly values: ReadonlyMap<string, readonly string[]>;
}

/** Values in force, by entity and attribute. */
export function valuesOf(facts: readonly StoredFact[]): ReadonlyMap<string, readonly string[]> {
  const values = new Map<string, string[]>();
  for (const { entity, attribute, value } of facts) {
    const key = `${entity} ${attribute}`;
    values.set(key, [...(values.get(key) ?? []), textOfValue(value)]);
  }
  return values;
}

/** Few entities, so that writers meet. */
const HOT_ENTITIES = 4;
const ACCOUNTS = ['account:a', 'account:b', 'account:c'];
const OPENING_BALANCE = 100;
const VALUES = 5;

/** What one knows who has read nothing. */
export const NOTHING_KNOWN: Known = { basis: 0n, values: new Map() };

/** What writers write. */
export interface Workload {
  /** What accounts hold together, ever. */
  readonly bank: { readonly attribute: string; readonly total: bigint };
  /** Documents that are in the inputs before anybody begins. */
  readonly prelude: readonly WorkloadDocument[];
  /** A document by choice, under a name that no other has. @param count of those of the writer before */
  next(writer: string, choice: Choice, known: Known, count: number): WorkloadDocument;
  /** The partition that it is sent to. */
  door(document: WorkloadDocument, choice: Choice): PartitionNo;
}

/** Documents of one partition. */
export const ONE_PARTITION: Workload = {
  bank: { attribute: 'balance', total: BigInt(ACCOUNTS.length * OPENING_BALANCE) },
  prelude: [],
  next: (writer, choice, known, count) => makeDocument(`${writer}-${count}`, choice, known),
  door: () => partitionNo(0),
};

const KINDS = ['set', 'tag', 'cas', 'if', 'unchanged', 'retract', 'transfer', 'open', 'absent'];

function makeDocument(op: string, choice: Choice, known: Known): WorkloadDocument {
  const kind = KINDS[choice.pick(KINDS.length, 'kind of document')] ?? 'set';
  const id = choice.chance(0.3, 'keyed') ? { id: `key-${op}` } : {};
  return { ...id, meta: { reason: op }, ...contentOf(kind, op, choice, known) };
}

function contentOf(
  kind: string,
  op: string,
  choice: Choice,
  known: Known,
): Pick<WorkloadDocument, 'if' | 'ops'> {
  const entity = `e:${choice.pick(HOT_ENTITIES, 'entity')}`;
  const value = choice.pick(VALUES, 'value');
  const held = known.values.get(`${entity} n`)?.[0];
  const old = held === undefined ? null : Number(held);
  switch (kind) {
    case 'tag':
      return { ops: [{ entity, tags: [op] }] };
    case 'cas':
      return { ops: [{ op: 'cas', entity, attribute: 'n', old, new: value }] };
    case 'if':
      return { if: [{ entity, attribute: 'n', is: old }], ops: [{ entity, n: value, s: op }] };
    case 'unchanged': {
      const since = known.basis.toString();
      return {
        if: [{ entity, attribute: 'n', unchangedSince: since }],
        ops: [{ entity, n: value }, other(choice)],
      };
    }
    case 'retract':
      return choice.chance(0.3, 'whole entity')
        ? { ops: [{ op: 'retractEntity', entity }] }
        : { ops: [{ op: 'retract', entity, attribute: 'tags' }] };
    case 'transfer':
      return transfer(choice, known) ?? { ops: [{ entity, n: value }] };
    case 'open':
      return {
        if: [{ entity: ACCOUNTS[0] ?? '', absent: true }],
        ops: ACCOUNTS.map((account) => ({ entity: account, balance: OPENING_BALANCE })),
      };
    case 'absent':
      return {
        if: [{ entity: `once:${value}`, absent: true }],
        ops: [{ entity: `once:${value}`, s: op }],
      };
    default:
      return { ops: [{ entity, n: value, s: op }] };
  }
}

function other(choice: Choice): DocumentOperation {
  return { entity: `pair:${choice.pick(HOT_ENTITIES, 'pair')}`, n: choice.pick(VALUES, 'value') };
}

/** Moves money, on what the writer believes the balances are. */
function transfer(
  choice: Choice,
  known: Known,
):
  | { readonly if?: readonly DocumentCondition[]; readonly ops: readonly DocumentOperation[] }
  | undefined {
  const from = choice.pick(ACCOUNTS.length, 'from');
  const to = (from + 1 + choice.pick(ACCOUNTS.length - 1, 'to')) % ACCOUNTS.length;
  const amount = 1 + choice.pick(9, 'amount');
  const sides = [
    { entity: ACCOUNTS[from] ?? '', by: -amount },
    { entity: ACCOUNTS[to] ?? '', by: amount },
  ].map(({ entity, by }): DocumentOperation | undefined => {
    const balance = known.values.get(`${entity} balance`)?.[0];
    if (balance === undefined) return undefined;
    const old = Number(balance);
    return { op: 'cas', entity, attribute: 'balance', old, new: old + by };
  });
  const [one, two] = sides;
  return one === undefined || two === undefined ? undefined : { ops: [one, two] };
}
