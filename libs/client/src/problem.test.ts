import { type ErrorCode, errors, PyralogError } from '@pyralog/model';
import { expect, test } from 'vitest';
import { printProblem, readProblem } from './problem.ts';

test.each(Object.keys(errors) as ErrorCode[])(
  '%s crosses the wire with its sentence, hint and fields',
  (code) => {
    const error = new PyralogError(code, 'A sentence with "quotes", a \0 and 😀.', {
      hint: 'A hint.',
      extra: { limit: 5, path: 'ops[3]', big: 2n ** 60n, list: ['a', null], nested: { a: true } },
    });
    const printed = printProblem(error);
    expect(JSON.parse(printed)).toMatchObject({
      type: `urn:pyralog:error:${code}`,
      status: errors[code].http,
      title: errors[code].title,
      category: errors[code].category,
    });
    const read = readProblem(printed);
    expect(read).toMatchObject({ code, message: error.message, hint: error.hint });
    expect(read?.extra).toEqual(error.extra);
  },
);

test('fields cannot take the place of the members of a problem, and what is no JSON is shown', () => {
  const odd = {
    status: 200,
    code: 'x',
    __proto__: null,
    ['__proto__x']: 1,
    half: '\ud800',
    when: new Date(0),
    none: undefined,
    big: Number.NaN,
  };
  const printed = printProblem(
    new PyralogError('usage', 'd \ud800', { hint: 'h \udc00', extra: odd }),
    { line: 7 },
  );
  expect(JSON.parse(printed)).toMatchObject({
    status: 400,
    code: 'usage',
    line: 7,
    when: expect.stringContaining('1970'),
    big: 'NaN',
  });
  expect(printed.isWellFormed()).toBe(true);
});

test.each(['', '{}', '[]', 'null', '<html>', '{"status":500}', '{"status":"500","detail":"x"}'])(
  '%s is no problem document',
  (text) => {
    expect(readProblem(text)).toBeUndefined();
  },
);

test('a code of a newer server becomes one of the same status', () => {
  expect(readProblem('{"status":413,"code":"brand-new","detail":"Too much."}')).toMatchObject({
    code: 'transaction-too-large',
    message: 'Too much.',
  });
  expect(readProblem('{"status":418,"detail":"Tea."}')).toMatchObject({ code: 'internal' });
});
