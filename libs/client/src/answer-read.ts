import {
  type AttributeDefinition,
  type Fact,
  isErrorCode,
  isValueType,
  type Json,
  JSON_DEPTH_MAX,
  JsonNumber,
  JsonObject,
  parseJson,
  parseTx,
  PyralogError,
  type Tx,
  type Uniqueness,
  valueFromJson,
} from '@pyralog/model';
import type {
  AttributeValues,
  Answer,
  CommitExplanation,
  CommitResult,
  DiffPage,
  EntityAnswer,
  FactsPage,
  FeedEvent,
  OpenTransaction,
  PartitionStatus,
  SchemaAnswer,
  StatusAnswer,
  TransactionAnswer,
  TransactionInfo,
  TransactionsPage,
  Trouble,
} from './database.ts';

/*
 * The answers of answer-print.ts, read back without loss. What does not have the promised form is refused with
 * `unreachable`: the other end is no Pyralog server, or of another version.
 */

/** Values are nested as deep as a document may be; answers have levels of their own around them. */
const DEPTH_MAX = 2 * JSON_DEPTH_MAX;

/** Reads the text of an answer and gives its fields to `read`. @throws unreachable */
export function readAnswer<T>(text: Uint8Array | string, read: (fields: AnswerFields) => T): T {
  try {
    return read(fieldsOf(parseJson(text, DEPTH_MAX), 'the answer'));
  } catch (error) {
    if (error instanceof PyralogError && error.code === 'unreachable') throw error;
    if (error instanceof PyralogError) throw malformed(error.message);
    throw error;
  }
}

/** The fields of a JSON object, each with the type that is expected of it. */
export class AnswerFields {
  readonly #object: JsonObject;
  readonly #what: string;

  constructor(object: JsonObject, what: string) {
    this.#object = object;
    this.#what = what;
  }

  text(name: string): string {
    const value = this.#object.get(name);
    return typeof value === 'string' ? value : this.#refuse(name, 'a string');
  }

  optionalText(name: string): string | undefined {
    const value = this.#object.get(name);
    return value === null || value === undefined ? undefined : this.text(name);
  }

  tx(name: string): Tx {
    return parseTx(this.text(name)) ?? this.#refuse(name, 'a tx');
  }

  flag(name: string): boolean {
    const value = this.#object.get(name);
    return typeof value === 'boolean' ? value : this.#refuse(name, 'true or false');
  }

  count(name: string): number {
    const value = this.#object.get(name);
    const count = value instanceof JsonNumber ? Number(value.text) : Number.NaN;
    return Number.isSafeInteger(count) ? count : this.#refuse(name, 'a whole number');
  }

  number(name: string): number {
    const value = this.#object.get(name);
    return value instanceof JsonNumber ? Number(value.text) : this.#refuse(name, 'a number');
  }

  optionalNumber(name: string): number | undefined {
    return this.#object.get(name) === undefined ? undefined : this.number(name);
  }

  counts(name: string): readonly number[] {
    const value = this.#object.get(name);
    if (!Array.isArray(value)) return this.#refuse(name, 'an array of whole numbers');
    return value.map((each: Json) => {
      const count = each instanceof JsonNumber ? Number(each.text) : Number.NaN;
      return Number.isSafeInteger(count) ? count : this.#refuse(name, 'an array of whole numbers');
    });
  }

  object<T>(name: string, read: (fields: AnswerFields) => T): T {
    return read(fieldsOf(this.#object.get(name) ?? null, name));
  }

  optional<T>(name: string, read: (fields: AnswerFields) => T): T | undefined {
    return this.#object.get(name) === undefined ? undefined : this.object(name, read);
  }

  oneOf<T extends string>(name: string, allowed: readonly T[]): T {
    const text = this.text(name);
    return allowed.find((each) => each === text) ?? this.#refuse(name, allowed.join(' or '));
  }

  list<T>(name: string, read: (item: AnswerFields) => T): readonly T[] {
    const value = this.#object.get(name);
    if (!Array.isArray(value)) return this.#refuse(name, 'an array');
    return value.map((each: Json) => read(fieldsOf(each, `an item of ${name}`)));
  }

  texts(name: string): readonly string[] {
    const value = this.#object.get(name);
    if (!Array.isArray(value) || !value.every((each) => typeof each === 'string'))
      return this.#refuse(name, 'an array of strings');
    return value as readonly string[];
  }

  entries(name: string): readonly (readonly [string, Json])[] {
    const value = this.#object.get(name);
    if (!(value instanceof JsonObject)) return this.#refuse(name, 'an object');
    return value.names.map((each, at) => [each, value.values[at] as Json]);
  }

  json(name: string): Json {
    return this.#object.get(name) ?? null;
  }

  #refuse(name: string, expected: string): never {
    throw malformed(`${this.#what} has no field "${name}" that is ${expected}`);
  }
}

function fieldsOf(json: Json, what: string): AnswerFields {
  if (json instanceof JsonObject) return new AnswerFields(json, what);
  throw malformed(`${what} is not an object`);
}

function malformed(problem: string): PyralogError {
  return new PyralogError(
    'unreachable',
    `The server answered in a form that this client does not know: ${problem}.`,
    {
      hint: 'Check that the address is that of a Pyralog server, and that client and server have the same version.',
    },
  );
}

/** A fact, as answers and feeds write it. */
export function readFact(fields: AnswerFields): Fact {
  const type = fields.text('type');
  if (!isValueType(type)) throw malformed(`there is no type ${type}`);
  return {
    entity: fields.text('entity'),
    attribute: fields.text('attribute'),
    value: valueFromJson(fields.json('value')),
    tx: fields.tx('tx'),
    operation: fields.oneOf('operation', ['assert', 'retract']),
  };
}

/** The answer of `GET entities/{id}`. `closed` is of the answer's headers, here and below. */
export function readEntity(fields: AnswerFields, closed: boolean): EntityAnswer {
  return {
    entity: fields.text('entity'),
    basis: fields.tx('basis'),
    closed,
    attributes: readAttributes(fields, 'attributes'),
  };
}

/** A page of facts: of `facts`, `state` and `history`. */
export function readFactsPage(fields: AnswerFields, closed: boolean): FactsPage {
  return {
    basis: fields.tx('basis'),
    closed,
    facts: fields.list('facts', readFact),
    next: fields.optionalText('next'),
  };
}

/** The answer of `GET transactions/{tx}`. */
export function readTransaction(
  fields: AnswerFields,
  { basis, closed }: Answer,
): TransactionAnswer {
  return { basis, closed, ...readInfo(fields), facts: fields.list('facts', readFact) };
}

/** The answer of `GET transactions`. */
export function readTransactions(fields: AnswerFields, closed: boolean): TransactionsPage {
  const transactions = fields.list('transactions', readInfo);
  return { basis: fields.tx('basis'), closed, transactions, next: fields.optionalText('next') };
}

/** The answer of `GET diff`. */
export function readDiff(fields: AnswerFields, closed: boolean): DiffPage {
  return {
    basis: fields.tx('basis'),
    closed,
    added: fields.list('added', readFact),
    removed: fields.list('removed', readFact),
    next: fields.optionalText('next'),
  };
}

/** The answer of `GET schema`. */
export function readSchema(fields: AnswerFields, closed: boolean): SchemaAnswer {
  return {
    basis: fields.tx('basis'),
    closed,
    strict: fields.flag('strict'),
    mode: fields.oneOf('mode', ['import', 'live']),
    attributes: fields.list('attributes', readDefinition),
  };
}

function readDefinition(fields: AnswerFields): AttributeDefinition {
  const valueType = fields.text('valueType');
  if (!isValueType(valueType)) throw malformed(`there is no type ${valueType}`);
  return {
    ident: fields.text('ident'),
    valueType,
    cardinality: fields.oneOf('cardinality', ['one', 'many']),
    unique:
      fields.optionalText('unique') === undefined
        ? undefined
        : fields.oneOf<Uniqueness>('unique', ['value', 'identity']),
    index: fields.flag('index'),
    doc: fields.optionalText('doc'),
    inferred: fields.flag('inferred'),
  };
}

/** The answer of `POST transactions` to a document that was committed. */
export function readCommit(fields: AnswerFields): CommitResult {
  const ids = new Map<string, string>();
  for (const [temporary, entity] of fields.entries('ids')) {
    if (typeof entity !== 'string') throw malformed(`the id of ${temporary} is not a string`);
    ids.set(temporary, entity);
  }
  return {
    tx: fields.tx('tx'),
    facts: fields.list('facts', readFact),
    ids,
    duplicate: fields.flag('duplicate'),
    explain: fields.optional('explain', readExplanation),
  };
}

function readExplanation(fields: AnswerFields): CommitExplanation {
  return {
    partitions: fields.counts('partitions'),
    attempts: fields.count('attempts'),
    millis: fields.object('millis', (millis) => ({
      publish: millis.number('publish'),
      wait: millis.optionalNumber('wait'),
      prepare: millis.optionalNumber('prepare'),
      commit: millis.number('commit'),
      total: millis.number('total'),
    })),
  };
}

/** One event of a feed. */
export function readFeedEvent(fields: AnswerFields): FeedEvent {
  const offset = fields.text('offset');
  if (fields.oneOf('kind', ['transaction', 'progress']) === 'progress') {
    return { kind: 'progress', offset, tx: fields.tx('tx'), upToDate: fields.flag('upToDate') };
  }
  return {
    kind: 'transaction',
    offset,
    ...readInfo(fields),
    facts: fields.list('facts', readFact),
  };
}

/** The answer of `GET status`. */
export function readStatus(fields: AnswerFields): StatusAnswer {
  const bytes: [string, number][] = fields.entries('bytes').map(([kind, count]) => {
    if (!(count instanceof JsonNumber)) throw malformed(`the bytes of ${kind} are not a number`);
    return [kind, Number(count.text)];
  });
  return {
    database: fields.text('database'),
    id: fields.text('id'),
    mode: fields.oneOf('mode', ['import', 'live']),
    strict: fields.flag('strict'),
    version: fields.text('version'),
    durable: fields.flag('durable'),
    partitions: fields.list('partitions', readPartition),
    bytes: Object.fromEntries(bytes),
  };
}

function readPartition(fields: AnswerFields): PartitionStatus {
  return {
    partition: fields.count('partition'),
    epoch: fields.count('epoch'),
    owner: fields.text('owner'),
    logEnd: fields.count('logEnd'),
    indexed: fields.count('indexed'),
    closed: fields.tx('closed'),
    liveFacts: fields.count('liveFacts'),
    manifest: fields.count('manifest'),
    runs: fields.count('runs'),
    open: fields.list('open', readOpen),
    troubles: fields.list('troubles', readTrouble),
  };
}

function readOpen(fields: AnswerFields): OpenTransaction {
  return {
    coordinator: fields.count('coordinator'),
    offset: fields.count('offset'),
    since: fields.text('since'),
    role: fields.oneOf('role', ['coordinator', 'participant']),
  };
}

function readTrouble(fields: AnswerFields): Trouble {
  const code = fields.text('code');
  return {
    part: fields.oneOf('part', ['log', 'index']),
    // A later server may know codes that this client does not.
    code: isErrorCode(code) ? code : 'internal',
    detail: fields.text('detail'),
    since: fields.text('since'),
  };
}

function readInfo(fields: AnswerFields): TransactionInfo {
  return { tx: fields.tx('tx'), meta: readAttributes(fields, 'meta') };
}

function readAttributes(
  fields: AnswerFields,
  member: string,
): ReadonlyMap<string, AttributeValues> {
  return new Map(
    fields
      .entries(member)
      .map(([name, json]): [string, AttributeValues] => [
        name,
        Array.isArray(json)
          ? { cardinality: 'many', values: json.map((each: Json) => valueFromJson(each)) }
          : { cardinality: 'one', values: [valueFromJson(json)] },
      ]),
  );
}
