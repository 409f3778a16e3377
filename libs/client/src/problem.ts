import {
  type ErrorCode,
  errors,
  isErrorCode,
  type Json,
  JsonNumber,
  JsonObject,
  jsonOf,
  parseJson,
  printJson,
  PyralogError,
} from '@pyralog/model';

/** The media type of errors over HTTP (RFC 9457). */
export const PROBLEM_TYPE = 'application/problem+json';

const MEMBERS = ['type', 'title', 'status', 'code', 'category', 'detail', 'hint'];

/** An error as a problem document: the members of RFC 9457, `code`, `category`, `hint`, then its own fields. */
export function printProblem(
  error: PyralogError,
  more: Readonly<Record<string, unknown>> = {},
): string {
  const { title, http, category } = error.row;
  const problem = {
    type: `urn:pyralog:error:${error.code}`,
    title,
    status: http,
    code: error.code,
    category,
    detail: error.message.toWellFormed(),
    hint: error.hint?.toWellFormed(),
  };
  const extra = Object.entries({ ...error.extra, ...more }).filter(
    ([name]) => !MEMBERS.includes(name),
  );
  return printJson(
    jsonOf({
      ...problem,
      ...Object.fromEntries(extra.map(([name, value]) => [name.toWellFormed(), shownAs(value)])),
    }),
  );
}

/** Fields are small JSON data; what is not is shown as text rather than lost with its whole error. */
function shownAs(value: unknown): unknown {
  try {
    return jsonOf(value);
  } catch {
    return String(value).toWellFormed();
  }
}

/**
 * The error that a problem document stands for.
 * @returns undefined where the text is no problem of ours
 */
export function readProblem(text: Uint8Array | string): PyralogError | undefined {
  try {
    const json = parseJson(text);
    return json instanceof JsonObject ? problemOf(json) : undefined;
  } catch {
    return undefined;
  }
}

/** As {@link readProblem}, of a document that was read before. */
export function problemOf(json: JsonObject): PyralogError | undefined {
  const status = json.get('status');
  const detail = json.get('detail');
  if (!(status instanceof JsonNumber) || typeof detail !== 'string') return undefined;
  const code = codeOf(json.get('code'), Number(status.text));
  const hint = json.get('hint');
  const extra = json.names
    .map((name, at): [string, unknown] => [name, plain(json.values[at] as Json)])
    .filter(([name]) => !MEMBERS.includes(name));
  return new PyralogError(code, detail, {
    hint: typeof hint === 'string' ? hint : undefined,
    extra: Object.fromEntries(extra),
  });
}

/** A newer server may have codes that this client lacks: then the nearest of the same status. */
function codeOf(code: Json | undefined, status: number): ErrorCode {
  if (typeof code === 'string' && isErrorCode(code)) return code;
  const same = (Object.keys(errors) as ErrorCode[]).find((each) => errors[each].http === status);
  return same ?? 'internal';
}

/** JSON as JavaScript data; integers beyond the safe ones as bigint. */
function plain(json: Json): unknown {
  if (json === null || typeof json !== 'object') return json;
  if (json instanceof JsonNumber) {
    const value = Number(json.text);
    return json.isInteger && !Number.isSafeInteger(value) ? BigInt(json.text) : value;
  }
  if (json instanceof JsonObject) {
    return Object.fromEntries(json.names.map((name, at) => [name, plain(json.values[at] as Json)]));
  }
  return json.map((each) => plain(each));
}
