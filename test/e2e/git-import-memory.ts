import type { CommitResult, EntityAnswer, FactsPage, FactsQuery, ReadOptions, SchemaAnswer, TransactionsPage } from '@pyralog/client';
import { type AttributeDefinition, CLOCK_STEP, compareFacts, equalValues, type Fact, PyralogError, tx, type Tx, TX_LAST, type Value, type ValueType } from '@pyralog/model';

interface Doc { id?: string; meta?: Record<string, unknown>; ops: Record<string, unknown>[]; at?: string }

/** The least that an import can be tried on: a list of facts and nothing clever. */
export class NaiveDatabase {
  readonly all: Fact[] = [];
  mode: 'import' | 'live' = 'import';
  #last = 0n;
  readonly #keys = new Map<string, CommitResult>();
  readonly #types = new Map<string, ValueType>();

  async transact(document: Uint8Array): Promise<CommitResult> {
    const doc = JSON.parse(Buffer.from(document).toString()) as Doc;
    const before = doc.id === undefined ? undefined : this.#keys.get(doc.id);
    if (before) return { ...before, duplicate: true };
    const asked = doc.at === undefined ? undefined : BigInt(Date.parse(doc.at)) * 1_000_000n;
    if (asked !== undefined && (asked < this.#last || asked > BigInt(Date.now()) * 1_000_000n)) throw new PyralogError('import-time-invalid', `${doc.at}`);
    const wall = this.mode === 'live' ? BigInt(Date.now()) * 1_000_000n : 0n;
    const next = this.#last + CLOCK_STEP;
    const wanted = (asked ?? wall) & ~1023n;
    const at = tx(wanted > next ? wanted : next);
    const facts = this.#resolve(doc, at);
    this.#last = at;
    for (const fact of facts) this.all.push(fact);
    const result = { tx: at, facts, ids: new Map(), duplicate: false };
    if (doc.id !== undefined) this.#keys.set(doc.id, result);
    return result;
  }

  async entity(id: string, options?: ReadOptions): Promise<EntityAnswer> {
    const attributes = new Map<string, { cardinality: 'many'; values: Value[] }>();
    for (const fact of this.#inForce(options?.asOf).filter((f) => f.entity === id)) {
      const entry = attributes.get(fact.attribute) ?? { cardinality: 'many' as const, values: [] };
      entry.values.push(fact.value);
      attributes.set(fact.attribute, entry);
    }
    return { entity: id, basis: tx(this.#last), closed: true, attributes };
  }

  async state(query: FactsQuery, options?: ReadOptions): Promise<FactsPage> {
    const facts = this.#inForce(options?.asOf).filter((f) => query.attribute === undefined || f.attribute === query.attribute);
    return { basis: tx(this.#last), closed: true, facts: facts.sort((a, b) => compareFacts(query.index, a, b)), next: undefined };
  }

  async schema(): Promise<SchemaAnswer> {
    const attributes = this.#inForce()
      .filter((f) => f.attribute === 'db/ident')
      .map((f) => ({ ident: f.value.value as string }) as AttributeDefinition);
    return { basis: tx(this.#last), closed: true, strict: false, mode: this.mode, attributes };
  }

  async transactions(): Promise<TransactionsPage> {
    const transactions = this.#last === 0n ? [] : [{ tx: tx(this.#last), meta: new Map<string, Value[]>() }];
    return { basis: tx(this.#last), closed: true, transactions, next: undefined };
  }

  async goLive(): Promise<CommitResult> {
    this.mode = 'live';
    return this.transact(Buffer.from('{"ops":[]}'));
  }

  #inForce(asOf: Tx = TX_LAST): Fact[] {
    const current = new Map<string, Fact>();
    for (const fact of this.all) {
      if (fact.tx > asOf) break;
      const key = JSON.stringify([fact.entity, fact.attribute, show(fact.value)]);
      if (fact.operation === 'assert') current.set(key, fact);
      else current.delete(key);
    }
    return [...current.values()];
  }

  #resolve(doc: Doc, at: Tx): Fact[] {
    const state = this.#inForce();
    const facts: Fact[] = [];
    const put = (entity: string, attribute: string, value: Value, operation: 'assert' | 'retract'): void => void facts.push({ entity, attribute, value, tx: at, operation });
    const values = (entity: string, attribute: string): Value[] => state.filter((f) => f.entity === entity && f.attribute === attribute).map((f) => f.value);
    const assertOne = (entity: string, attribute: string, value: Value, many: boolean): void => {
      const old = values(entity, attribute);
      if (old.some((v) => equalValues(v, value))) return;
      if (!many) for (const v of old) put(entity, attribute, v, 'retract');
      put(entity, attribute, value, 'assert');
    };
    for (const { op, entity, attribute, old, new: next, ...map } of doc.ops as Record<string, string>[]) {
      if (op === 'retractEntity') for (const f of state.filter((s) => s.entity === entity)) put(f.entity, f.attribute, f.value, 'retract');
      else if (op === 'cas') {
        const current = values(entity as string, attribute as string);
        const holds = old === null ? current.length === 0 : current.some((v) => equalValues(v, this.#value('', old, at)));
        if (!holds) throw new PyralogError('cas-failed', `${entity} ${attribute}`);
        assertOne(entity as string, attribute as string, this.#value('', next, at), false);
      } else for (const [name, given] of Object.entries(map)) {
        if (given === null) for (const v of values(entity as string, name)) put(entity as string, name, v, 'retract');
        else if (Array.isArray(given)) for (const v of given) assertOne(entity as string, name, this.#value(name, v, at), true);
        else assertOne(entity as string, name, this.#value(name, given, at), false);
      }
    }
    for (const [name, given] of Object.entries(doc.meta ?? {})) put(`tx:${at}`, `tx/${name}`, this.#value('', given, at), 'assert');
    return facts;
  }

  #value(_attribute: string, given: unknown, at: Tx): Value {
    if (typeof given === 'string') return { type: 'string', value: given };
    if (typeof given === 'number') return { type: 'int', value: BigInt(given) };
    if (typeof given === 'boolean') return { type: 'bool', value: given };
    const typed = given as Record<string, string>;
    if ('ref' in typed) return { type: 'ref', value: typed['ref'] === '_:tx' ? `tx:${at}` : (typed['ref'] as string) };
    if ('instant' in typed) return { type: 'instant', value: BigInt(Date.parse(typed['instant'] as string)) * 1000n };
    return { type: 'bytes', value: Buffer.from(typed['bytes'] as string, 'base64') };
  }
}

const show = (value: Value): string => (value.type === 'bytes' ? Buffer.from(value.value).toString('hex') : String(value.value));
