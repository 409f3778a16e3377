import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseJson } from './json.ts';
import { canonicalJson, canonicalTypedJson, shortened } from './json-print.ts';
import { doubleLiteral, jsonDouble } from './json-tree.ts';
import { double, errorCode, text } from './testing/index.ts';
import { chooser, choices, type Spelt, spelt, write } from './testing/json-texts.ts';
import { byBytes, shortestDigits } from './testing/reference.ts';

const canonical = (source: string): string => canonicalJson(parseJson(source));

/** RFC 8785, section 3.2.2.2. */
function quotedByRfc(string: string): string {
  const escapes: Record<string, string> = { '"': '\\"', '\\': '\\\\' };
  for (const [code, letter] of 'btnfr'.split('').entries())
    escapes[String.fromCharCode([8, 9, 10, 12, 13][code] ?? 0)] = `\\${letter}`;
  const written = Array.from(string, (char) => {
    const code = char.codePointAt(0) ?? 0;
    return escapes[char] ?? (code < 0x20 ? `\\u${code.toString(16).padStart(4, '0')}` : char);
  });
  return `"${written.join('')}"`;
}

/** The rules once more: exact integers, shortest doubles, names by UTF-8. */
function naive(tree: Spelt): string {
  switch (tree.kind) {
    case 'word':
      return tree.text;
    case 'number':
      return /^-?\d+$/.test(tree.text)
        ? BigInt(tree.text).toString()
        : shortestDigits(Number(tree.text));
    case 'string':
      return quotedByRfc(tree.text);
    case 'array':
      return `[${tree.items.map(naive).join(',')}]`;
    case 'object': {
      const members = tree.members.toSorted(([a], [b]) => byBytes(a, b));
      return `{${members.map(([name, value]) => `${quotedByRfc(name)}:${naive(value)}`).join(',')}}`;
    }
  }
}

function hasHugeNumber(tree: Spelt): boolean {
  if (tree.kind === 'number')
    return !/^-?\d+$/.test(tree.text) && !Number.isFinite(Number(tree.text));
  if (tree.kind === 'array') return tree.items.some(hasHugeNumber);
  return tree.kind === 'object' && tree.members.some(([, value]) => hasHugeNumber(value));
}

test('the text of any data is what the rules say, however it was spelt', () => {
  fc.assert(
    fc.property(spelt(true), choices, (tree, list) => {
      const source = write(tree, chooser(list));
      if (hasHugeNumber(tree)) {
        expect(errorCode(() => canonical(source))).toBe('value-invalid');
      } else {
        expect(canonical(source)).toBe(naive(tree));
        expect(canonical(canonical(source))).toBe(canonical(source));
      }
    }),
    { numRuns: 2000 },
  );
});

test('order of names does not matter, order in arrays does', () => {
  fc.assert(
    fc.property(fc.uniqueArray(text, { maxLength: 30 }), fc.gen(), (names, gen) => {
      const members = names.map((name, i): readonly [string, Spelt] => [
        name,
        { kind: 'number', text: `${i}` },
      ]);
      const shuffled = gen(fc.shuffledSubarray<readonly [string, Spelt]>, members, {
        minLength: members.length,
      });
      const of = (each: typeof members): string =>
        canonical(write({ kind: 'object', members: each }, () => 0));
      expect(of(shuffled)).toBe(of(members));
    }),
  );
  expect(canonical('[1,2]')).not.toBe(canonical('[2,1]'));
});

test('the example of RFC 8785, section 3.2.2', () => {
  const source = String.raw`{
    "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
    "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
    "literals": [null, true, false]
  }`;
  expect(canonical(source)).toBe(
    String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],` +
      String.raw`"string":"€$\u000f\nA'B\"\\\\\"/"}`,
  );
});

test('the names of section 3.2.3 are ordered by bytes, where the RFC orders by UTF-16', () => {
  const source = String.raw`{
    "\u20ac": "Euro Sign",
    "\r": "Carriage Return",
    "\ufb33": "Hebrew Letter Dalet With Dagesh",
    "1": "One",
    "\ud83d\ude00": "Emoji: Grinning Face",
    "\u0080": "Control",
    "\u00f6": "Latin Small Letter O With Diaeresis"
  }`;
  expect(Object.values(JSON.parse(canonical(source)) as object).slice(1)).toEqual([
    'Carriage Return',
    'Control',
    'Latin Small Letter O With Diaeresis',
    'Euro Sign',
    'Hebrew Letter Dalet With Dagesh',
    'Emoji: Grinning Face',
  ]);
  expect(canonical(source).startsWith('{"\\r":"Carriage Return","1":"One","\u0080":')).toBe(true);
});

// RFC 8785, appendix B: the bits of a double, and its text.
const SAMPLES: readonly (readonly [string, string])[] = [
  ['0000000000000000', '0'],
  ['8000000000000000', '0'],
  ['0000000000000001', '5e-324'],
  ['8000000000000001', '-5e-324'],
  ['7fefffffffffffff', '1.7976931348623157e+308'],
  ['ffefffffffffffff', '-1.7976931348623157e+308'],
  ['4340000000000000', '9007199254740992'],
  ['c340000000000000', '-9007199254740992'],
  ['4430000000000000', '295147905179352830000'],
  ['44b52d02c7e14af5', '9.999999999999997e+22'],
  ['44b52d02c7e14af6', '1e+23'],
  ['44b52d02c7e14af7', '1.0000000000000001e+23'],
  ['444b1ae4d6e2ef4e', '999999999999999700000'],
  ['444b1ae4d6e2ef4f', '999999999999999900000'],
  ['444b1ae4d6e2ef50', '1e+21'],
  ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
  ['3eb0c6f7a0b5ed8d', '0.000001'],
  ['41b3de4355555553', '333333333.3333332'],
  ['41b3de4355555554', '333333333.33333325'],
  ['41b3de4355555555', '333333333.3333333'],
  ['41b3de4355555556', '333333333.3333334'],
  ['41b3de4355555557', '333333333.33333343'],
  ['becbf647612f3696', '-0.0000033333333333333333'],
  ['43143ff3c1cb0959', '1424953923781206.2'],
];

test.each(SAMPLES)('the double of bits %s is written %s', (bits, expected) => {
  const value = Buffer.from(bits, 'hex').readDoubleBE();
  // 17 digits tell every double from its neighbours.
  expect(canonical(value.toExponential(16))).toBe(expected);
});

test('doubles come back from their text, which is the shortest', () => {
  fc.assert(
    fc.property(double.filter(Number.isFinite), (value) => {
      expect(canonicalJson(jsonDouble(value))).toBe(shortestDigits(value));
      expect(Number(doubleLiteral(value))).toBe(value);
      expect(doubleLiteral(value)).toMatch(/^-?\d+(\.\d+|(\.\d+)?e[+-]\d+)$/);
    }),
    { numRuns: 1000 },
  );
});

test.each([
  ['9007199254740993', '9007199254740993'],
  ['9007199254740993.0', '9007199254740992'],
  ['-0', '0'],
  ['-0.0', '0'],
  ['-0e5', '0'],
  ['1e-400', '0'],
  ['5.0', '5'],
  ['50e-1', '5'],
  ['123456789012345678901234567890', '123456789012345678901234567890'],
  ['1e400', undefined],
  ['[-1e400]', undefined],
])('%s is written %s', (source, expected) => {
  if (expected === undefined) expect(errorCode(() => canonical(source))).toBe('value-invalid');
  else expect(canonical(source)).toBe(expected);
});

test('documents tell 5 from 5.0, which are two values, but not 5.0 from 50e-1', () => {
  const typed = (source: string): string => canonicalTypedJson(parseJson(source));
  expect(typed('[5,5.0,50e-1,-0,-0.0,1e21]')).toBe('[5,5.0,5.0,0,0.0,1e+21]');
  expect(typed('{"b":1,"a":{"d":1.50,"c":"\\u0041"}}')).toBe('{"a":{"c":"A","d":1.5},"b":1}');
});

test('long texts are cut between characters', () => {
  expect(shortened('x'.repeat(60))).toBe('x'.repeat(60));
  expect(shortened('x'.repeat(61))).toBe(`${'x'.repeat(57)}…`);
  expect(shortened(`${'x'.repeat(56)}😀${'x'.repeat(60)}`).isWellFormed()).toBe(true);
});
