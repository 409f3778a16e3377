import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseJson } from './json.ts';
import { printJson } from './json-print.ts';
import { type Json, JsonNumber, JsonObject, jsonObject } from './json-tree.ts';
import { JSON_DEPTH_MAX } from './limits.ts';
import { errorCode, text } from './testing/index.ts';
import { chooser, choices, type Spelt, written } from './testing/json-texts.ts';

function speltOf(json: Json): Spelt {
  if (json === null || typeof json === 'boolean')
    return { kind: 'word', text: `${json}` as 'null' | 'true' | 'false' };
  if (typeof json === 'string') return { kind: 'string', text: json };
  if (json instanceof JsonNumber) return { kind: 'number', text: json.text };
  if (json instanceof JsonObject)
    return {
      kind: 'object',
      members: json.names.map((name, i) => [name, speltOf(json.values[i] as Json)]),
    };
  return { kind: 'array', items: json.map(speltOf) };
}

/** What `JSON.parse` makes of it. */
function plain(json: Json): unknown {
  if (json === null || typeof json !== 'object') return json;
  if (json instanceof JsonNumber) return Number(json.text);
  if (json instanceof JsonObject)
    return Object.fromEntries(json.names.map((name, i) => [name, plain(json.values[i] as Json)]));
  return json.map(plain);
}

test('nothing is lost but white space and escapes: numbers, order of names, every character', () => {
  fc.assert(
    fc.property(written(true), ({ tree, text }) => {
      expect(speltOf(parseJson(text))).toEqual(tree);
    }),
    { numRuns: 1000 },
  );
});

test('bytes, views into bytes and text are read alike', () => {
  fc.assert(
    fc.property(written(true), fc.nat({ max: 5 }), ({ tree, text }, before) => {
      const bytes = Buffer.concat([Buffer.alloc(before, 0xff), Buffer.from(text)]);
      expect(speltOf(parseJson(new TextEncoder().encode(text)))).toEqual(tree);
      expect(speltOf(parseJson(bytes.subarray(before)))).toEqual(tree);
    }),
  );
});

test('numbers know whether they are integers by how they are written', () => {
  for (const [literal, isInteger] of [
    ['5', true],
    ['-0', true],
    ['9223372036854775808', true],
    ['5.0', false],
    ['5e0', false],
    ['50E-1', false],
  ] as const)
    expect(parseJson(literal)).toEqual(new JsonNumber(literal, isInteger));
});

test('printing gives the same tree again, without white space', () => {
  fc.assert(
    fc.property(written(true), ({ tree, text }) => {
      const printed = printJson(parseJson(text));
      expect(speltOf(parseJson(printed))).toEqual(tree);
      expect(printed.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""')).not.toMatch(/\s/);
    }),
  );
});

/**
 * What is refused of a text that `JSON.parse` takes: double names, half surrogate pairs, depth. By tokens, since
 * the text is known to be JSON.
 */
function refusedBeside(text: string): boolean {
  const open: (Set<string> | undefined)[] = [];
  let name: string | undefined;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\[^])*"|[{}[\]:]/g)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(undefined);
    else if (token === '}' || token === ']') open.pop();
    else if (token === ':') {
      const names = open.at(-1);
      if (names?.has(name ?? '') === true) return true;
      names?.add(name ?? '');
    } else {
      name = JSON.parse(token) as string;
      if (!name.isWellFormed()) return true;
    }
    if (open.length > JSON_DEPTH_MAX) return true;
  }
  return !text.isWellFormed();
}

function sameVerdict(text: string): void {
  let expected: unknown;
  let isJson = true;
  try {
    expected = JSON.parse(text);
  } catch {
    isJson = false;
  }
  if (!isJson || refusedBeside(text)) {
    expect(errorCode(() => parseJson(text))).toBe('json-malformed');
  } else {
    const found = plain(parseJson(text));
    expect(isDeepStrictEqual(found, expected), text).toBe(true);
  }
}

test('what JSON.parse takes is taken with equal results, unless it is double or half', () => {
  fc.assert(
    fc.property(written(false), ({ text }) => sameVerdict(text)),
    { numRuns: 1000 },
  );
});

test('what JSON.parse refuses is refused: texts with a mistake in them', () => {
  const pieces = fc.constantFrom(
    ...['{', '}', '[', ']', ':', ',', '"', '\\', '\\u', '\\ud83d', '0', '01', '-', '.', 'e', '+'],
    ...['tru', 'null', 'a', '\u0000', '\n', '\u00a0', '\ufeff', '😀', '\ud83d', '//', "'", 'NaN'],
  );
  const edits = fc.array(
    fc.tuple(fc.nat(), fc.nat({ max: 2 }), fc.oneof(pieces, fc.constant(''))),
    {
      minLength: 1,
      maxLength: 2,
    },
  );
  fc.assert(
    fc.property(written(false), edits, ({ text }, changes) => {
      let edited = text;
      for (const [place, cut, put] of changes) {
        const at = place % (edited.length + 1);
        edited = edited.slice(0, at) + put + edited.slice(at + cut);
      }
      sameVerdict(edited);
    }),
    { numRuns: 2000 },
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 8 }), (parts) => sameVerdict(parts.join(''))),
    { numRuns: 2000 },
  );
});

test('objects of any size, one after the other, keep their own names', () => {
  // Names of the object before are reused where they agree, lists of names become sets above a dozen.
  const names = Array.from({ length: 45 }, (_, i) => `n${i}`);
  const members = fc.oneof(
    fc.nat({ max: 45 }).map((count) => names.slice(0, count)),
    fc.array(fc.constantFrom(...names), { maxLength: 45 }),
    fc.shuffledSubarray(names),
  );
  fc.assert(
    fc.property(fc.array(members, { minLength: 1, maxLength: 5 }), choices, (objects, list) => {
      const choose = chooser(list);
      const rows = objects.map(
        (row) => `{${row.map((name) => `"${name}":${choose(3) === 0 ? '{"n0":1}' : 2}`).join()}}`,
      );
      for (const row of rows) sameVerdict(row);
      sameVerdict(`[${rows.join()}]`);
    }),
  );
});

test('a member is found by its name, and __proto__ is a name like any other', () => {
  const found = parseJson('{"__proto__":{"x":1},"constructor":2,"":3}') as JsonObject;
  expect(found.names).toEqual(['__proto__', 'constructor', '']);
  expect(found.get('__proto__')).toBeInstanceOf(JsonObject);
  expect(found.get('toString')).toBeUndefined();
  expect(found.has('valueOf')).toBe(false);
  expect(Object.hasOwn({}, 'x')).toBe(false);
  fc.assert(
    fc.property(fc.array(fc.tuple(text, fc.nat()), { maxLength: 30 }), text, (pairs, other) => {
      const expected = new Map(pairs);
      const object = jsonObject(pairs.map(([name, n]) => [name, new JsonNumber(`${n}`, true)]));
      for (const name of [...expected.keys(), other, 'constructor']) {
        expect(object.has(name)).toBe(expected.has(name));
        const member = object.get(name);
        expect(member && plain(member)).toBe(expected.get(name));
      }
    }),
  );
});

test('long and short strings of one document do not hold each other', () => {
  const texts = [12, 13, 47, 48, 49, 1000].map((length) => 'ab'.repeat(length).slice(0, length));
  const json = JSON.stringify([...texts, ...texts, ...texts.map((each) => `${each}\n`)]);
  expect(plain(parseJson(json))).toEqual(JSON.parse(json));
});
