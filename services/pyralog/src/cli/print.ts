import { endOfStep, type Fact, formatNanos, formatValue, type Tx, type Value } from '@pyralog/model';
import Table from 'cli-table3';
import colours from 'picocolors';

/** What fits on a line of the terminal, or of a page where nobody watches. */
const WIDTH = process.stdout.columns ?? 120;

/** Rows under headings, for people. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const shown = new Table({
    head: head.map((name) => colours.bold(name)),
    style: { head: [], border: [], compact: true },
    chars: { top: '', 'top-mid': '', 'top-left': '', 'top-right': '', bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '', left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '  ' },
  });
  for (const row of rows) shown.push([...row]);
  return `${shown.toString()}\n`;
}

/** A value on one line, cut where it is long. */
export function shown(value: Value, width: number = Math.max(30, WIDTH - 60)): string {
  const text = formatValue(value).replaceAll(/[\u0000-\u001f\u007f]/g, '·');
  return text.length > width ? `${text.slice(0, width - 1)}…` : text;
}

/** The moment of a transaction, to the millisecond: the end of its clock step, so that a whole second shows as one. */
export function moment(tx: Tx): string {
  return formatNanos(endOfStep(tx)).replace(/\.([0-9]{3})[0-9]{6}Z$/, '.$1Z').replace('T', ' ');
}

export function factRows(facts: readonly Fact[]): string[][] {
  return facts.map(({ entity, attribute, value, tx, operation }) => [
    operation === 'assert' ? colours.green('+') : colours.red('-'),
    entity,
    attribute,
    shown(value),
    moment(tx),
    String(tx),
  ]);
}

export function factTable(facts: readonly Fact[]): string {
  return facts.length === 0 ? 'No facts.\n' : table(['', 'entity', 'attribute', 'value', 'when', 'tx'], factRows(facts));
}

export function out(text: string): void {
  process.stdout.write(text);
}

export function line(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}
