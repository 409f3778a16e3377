import {
  endOfStep,
  type Fact,
  formatNanos,
  formatValue,
  type Tx,
  type Value,
} from '@pyralog/model';
import Table from 'cli-table3';
import picocolors from 'picocolors';

const { stdout, env } = process;

/** Columns of the terminal; undefined where nobody watches, and nothing is cut then. */
const WIDTH: number | undefined = stdout.isTTY ? stdout.columns : undefined;

/** Colours for a person at a terminal (https://no-color.org); none in pipes and files. */
export const colours: ReturnType<typeof picocolors.createColors> = picocolors.createColors(
  (env['FORCE_COLOR'] ?? '0') !== '0' ||
    (stdout.isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'),
);

/** Narrower than this a column tells nothing. */
const COLUMN_WIDTH_MIN = 12;
const GAP = 2;

/**
 * Rows under headings. At a terminal the widest columns are cut until a row fits on a line, of those
 * from `cutFrom` up to `cutTo`.
 */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  cutFrom = 0,
  cutTo: number = head.length,
): string {
  const widths = head.map((name, i) =>
    Math.max(displayWidth(name), ...rows.map((row) => displayWidth(row[i] ?? ''))),
  );
  const shown = new Table({
    head: head.map((name) => colours.bold(name)),
    colWidths: fitted(widths, cutFrom, cutTo).map((width) => width + GAP),
    style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': GAP },
    chars: NO_LINES,
  });
  for (const row of rows) shown.push([...row]);
  // Blanks at the ends of lines would be selected and compared with the text.
  return `${shown.toString().replaceAll(/ +$/gm, '')}\n`;
}

const NO_LINES = Object.fromEntries(
  [
    'top',
    'top-mid',
    'top-left',
    'top-right',
    'bottom',
    'bottom-mid',
    'bottom-left',
    'bottom-right',
    'left',
    'left-mid',
    'mid',
    'mid-mid',
    'right',
    'right-mid',
    'middle',
  ].map((name) => [name, '']),
);

/** Takes from the widest column until the row fits. */
function fitted(natural: readonly number[], cutFrom: number, cutTo: number): number[] {
  const widths = [...natural];
  if (WIDTH === undefined) return widths;
  for (;;) {
    const over = widths.reduce((sum, width) => sum + width + GAP, 0) - WIDTH;
    const widest = Math.max(0, ...widths.slice(cutFrom, cutTo));
    if (over <= 0 || widest <= COLUMN_WIDTH_MIN) return widths;
    widths[widths.indexOf(widest, cutFrom)] = Math.max(COLUMN_WIDTH_MIN, widest - over);
  }
}

// eslint-disable-next-line no-control-regex
const COLOUR_CODES = /\u001b\[[0-9;]*m/g;
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/gu;

/** Columns that a text takes: none for colours and combining marks, two for wide characters. */
function displayWidth(text: string): number {
  const plain = text.replaceAll(COLOUR_CODES, '').replaceAll(/\p{Mn}/gu, '');
  return Array.from(plain).length + (plain.match(WIDE)?.length ?? 0);
}

/** Characters that would steer the terminal or turn the direction of writing. */
// eslint-disable-next-line no-control-regex
const STEERING = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** Text from a database on one line, harmless for a terminal: what is no plain character is shown as `\n` or `\u001b`. */
export function harmless(text: string): string {
  return text.replaceAll(STEERING, (character) => {
    if (character === '\n') return '\\n';
    if (character === '\t') return '\\t';
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** Characters of a value on a line of its own; the whole is there with --json. */
const VALUE_LENGTH_MAX = 2000;

/** A value on one line, cut where it is long. */
export function shown(value: Value, lengthMax: number = VALUE_LENGTH_MAX): string {
  const text = harmless(formatValue(value));
  return text.length > lengthMax ? `${text.slice(0, lengthMax - 1).toWellFormed()}…` : text;
}

/**
 * The moment of a transaction, to the millisecond. A tx is the start of a clock step, so what was written
 * at a full second would show as the millisecond before.
 */
export function moment(tx: Tx): string {
  return formatNanos(endOfStep(tx))
    .replace(/\.([0-9]{3})[0-9]{6}Z$/, '.$1Z')
    .replace('T', ' ');
}

export function sign({ operation }: Pick<Fact, 'operation'>): string {
  return operation === 'assert' ? colours.green('+') : colours.red('-');
}

/** Narrower than this a table of facts has no room for the tx beside its moment. */
const WIDTH_FOR_TX = 110;

/** Facts of one moment, or with the moment of each. */
export function factTable(facts: readonly Fact[], withTx = true): string {
  if (facts.length === 0) return 'No facts.\n';
  const roomy = WIDTH === undefined || WIDTH >= WIDTH_FOR_TX;
  const times = (fact: Fact): string[] =>
    roomy ? [moment(fact.tx), String(fact.tx)] : [moment(fact.tx)];
  const heads = roomy ? ['when', 'tx'] : ['when'];
  const rows = facts.map((fact) => [
    sign(fact),
    harmless(fact.entity),
    harmless(fact.attribute),
    shown(fact.value),
    ...(withTx ? times(fact) : []),
  ]);
  return table(['', 'entity', 'attribute', 'value', ...(withTx ? heads : [])], rows, 1, 4);
}

/** "3 facts", "1 fact". */
export function counted(count: number, one: string, many: string = `${one}s`): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`;
}

export function out(text: string): void {
  stdout.write(text);
}

export function line(text: string): void {
  stdout.write(`${text}\n`);
}

/** For the person, beside the output. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}
