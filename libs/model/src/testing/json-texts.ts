import fc from 'fast-check';
import { text } from './arbitraries.ts';

/** JSON data as a tree that remembers how it is spelt: names may be double, numbers are literals. */
export type Spelt =
  | { readonly kind: 'word'; readonly text: 'null' | 'true' | 'false' }
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'array'; readonly items: readonly Spelt[] }
  | { readonly kind: 'object'; readonly members: readonly (readonly [string, Spelt])[] };

/** Number literals by the grammar of RFC 8259, of any size. */
const numberLiteral: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    '0',
    '-0',
    '-0.0',
    '0e0',
    '5',
    '5.0',
    '5.00',
    '50e-1',
    '1E+2',
    '9007199254740993',
    '9223372036854775807',
    '-9223372036854775808',
    '18446744073709551616',
    '1e308',
    '1e309',
    '-1e400',
    '1e-400',
    '1e99999999999',
    '0.1',
    '123456789012345678901234567890.123',
  ),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.bigInt().map(String),
  fc
    .tuple(
      fc.constantFrom('', '-'),
      fc.bigInt({ min: 0n, max: 10n ** 20n }),
      fc.constantFrom('', '.0', '.25', '.000001'),
      fc.constantFrom('', 'e0', 'E5', 'e-7', 'e+12'),
    )
    .map((parts) => parts.join('')),
);

const name = fc.oneof(
  fc.constantFrom('a', 'b', 'c', 'op', 'entity', '__proto__', 'constructor', '1', '', '\0', '😀'),
  text,
);

/** @param distinct whether the names of an object are */
export function spelt(distinct: boolean): fc.Arbitrary<Spelt> {
  return fc.letrec<{ value: Spelt }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', maxDepth: 5 },
      fc.constantFrom('null' as const, 'true' as const, 'false' as const).map((word): Spelt => ({
        kind: 'word',
        text: word,
      })),
      numberLiteral.map((literal): Spelt => ({ kind: 'number', text: literal })),
      text.map((string): Spelt => ({ kind: 'string', text: string })),
      fc.array(tie('value'), { maxLength: 4 }).map((items): Spelt => ({ kind: 'array', items })),
      (distinct
        ? fc.uniqueArray(fc.tuple(name, tie('value')), { maxLength: 5, selector: ([a]) => a })
        : fc.array(fc.tuple(name, tie('value')), { maxLength: 5 })
      ).map((members): Spelt => ({ kind: 'object', members })),
    ),
  })).value;
}

const SPACES = ['', '', '', ' ', '\n', '\t', '\r\n', '  '];
const SHORT = new Map([
  ['"', '\\"'],
  ['\\', '\\\\'],
  ['/', '\\/'],
  ['\b', '\\b'],
  ['\f', '\\f'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
]);

/** Writes a tree; `choose` picks white space and escapes. */
export function write(tree: Spelt, choose: (count: number) => number): string {
  const space = (): string => SPACES[choose(SPACES.length)] ?? '';
  const string = (content: string): string => {
    const units = content.split('').map((unit) => {
      const code = unit.charCodeAt(0);
      const must = code < 0x20 || unit === '"' || unit === '\\';
      const way = choose(4);
      if (way === 0 && SHORT.has(unit)) return SHORT.get(unit);
      if (!must && way !== 1) return unit;
      const digits = code.toString(16).padStart(4, '0');
      return `\\u${choose(2) === 0 ? digits : digits.toUpperCase()}`;
    });
    // Half a pair may not stand raw beside an escaped half.
    const joined = units.join('');
    return joined.isWellFormed() ? `"${joined}"` : JSON.stringify(content);
  };
  const value = (each: Spelt): string => {
    switch (each.kind) {
      case 'word':
      case 'number':
        return each.text;
      case 'string':
        return string(each.text);
      case 'array':
        return `[${space()}${each.items.map((item) => space() + value(item) + space()).join(',')}]`;
      case 'object':
        return `{${space()}${each.members
          .map(([key, item]) => `${string(key)}${space()}:${space()}${value(item)}${space()}`)
          .join(`,${space()}`)}}`;
    }
  };
  return space() + value(tree) + space();
}

/** A tree together with a spelling of it. */
export function written(
  distinct: boolean,
): fc.Arbitrary<{ readonly tree: Spelt; readonly text: string }> {
  return fc.tuple(spelt(distinct), choices).map(([tree, list]) => ({
    tree,
    text: write(tree, chooser(list)),
  }));
}

/** What {@link chooser} chooses by, over and over. */
export const choices: fc.Arbitrary<readonly number[]> = fc.array(fc.nat({ max: 255 }), {
  minLength: 1,
  maxLength: 50,
});

export function chooser(list: readonly number[]): (count: number) => number {
  let at = 0;
  return (count) => (list[at++ % list.length] ?? 0) % count;
}
