/** The tables are complete, and SPEC.md shows them as they are. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  AT_COORDINATOR,
  AT_PARTICIPANT,
  cellOf,
  type CoordinatorState,
  DOCUMENT_ITEMS,
  type DocumentItem,
  type LogState,
  PART_ITEMS,
  type PartState,
  perform,
} from './transition-tables.ts';

const TABLES = { DOCUMENT_ITEMS, PART_ITEMS, AT_COORDINATOR, AT_PARTICIPANT };
const SPEC = readFileSync(new URL('../SPEC.md', import.meta.url), 'utf8');

type Rows = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** As SPEC.md has it: what is a defect is empty. */
function markdown(table: Rows): string {
  const states = Object.keys(Object.values(table)[0] ?? {});
  const lines = [
    ['', ...states],
    states.reduce((line) => [...line, '---'], ['---']),
    ...Object.entries(table).map(([event, row]) => [
      `\`${event}\``,
      ...states.map((state) => (row[state] === 'defect' ? '' : `${row[state]}`)),
    ]),
  ];
  return lines
    .map((cells, i) => (i === 1 ? `|${cells.join('|')}|` : `| ${cells.join(' | ')} |`))
    .map((line) => line.replaceAll('|  |', '| |').replaceAll('|  |', '| |'))
    .join('\n');
}

/** Names in the first column of the table below a heading. */
function explained(head: string, after: string): string[] {
  const from = SPEC.indexOf(head, SPEC.indexOf(after));
  const rows = SPEC.slice(from, SPEC.indexOf('\n\n', from)).split('\n').slice(2);
  return rows.flatMap((row) =>
    [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
  );
}

describe('SPEC.md shows the transition tables', () => {
  test.each(Object.entries(TABLES))('%s', (_, table) => {
    expect(SPEC).toContain(`\n\n${markdown(table)}\n\n`);
  });

  test.each([
    ['**At a coordinator**', AT_COORDINATOR],
    ['**At a participant**', AT_PARTICIPANT],
  ])('and explains the events and actions %s', (after, table: Rows) => {
    expect(explained('| event |', after)).toEqual(Object.keys(table));
    const actions = Object.values(table).flatMap((row) => Object.values(row));
    expect(explained('| action |', after).toSorted()).toEqual(
      [...new Set(actions)].filter((action) => action !== 'defect').toSorted(),
    );
  });
});

test('every row has the same states in the same order', () => {
  for (const table of Object.values(TABLES) as Rows[])
    for (const row of Object.values(table))
      expect(Object.keys(row)).toEqual(Object.keys(Object.values(table)[0] ?? {}));
});

test('T1 what cannot be stops the sequencer', () => {
  for (const table of Object.values(TABLES) as Rows[]) {
    for (const [event, row] of Object.entries(table)) {
      for (const [state, cell] of Object.entries(row)) {
        if (cell === 'defect')
          expect(() => cellOf(table, event, state)).toThrow(`T1: no ${event} while it is ${state}`);
        else expect(cellOf(table, event, state)).toBe(cell);
      }
    }
  }
});

test('what a cell says is done, and nothing where it is ignored', () => {
  const done: string[] = [];
  const actions = {
    'note, then wait': () => void done.push('wait'),
    'note, then end': () => void done.push('end'),
  };
  for (const state of Object.keys(AT_COORDINATOR.done) as CoordinatorState[])
    perform(AT_COORDINATOR, 'done', state, actions);
  expect(done).toEqual(['wait', 'end', 'end']);
});

/** Held by the compiler: each of these lines is an error without its mark, and with it if it ever compiles. */
test('a table does not compile with a cell missing, or one too many', () => {
  type AtCoordinator = typeof AT_COORDINATOR;
  type Doing<E extends keyof AtCoordinator> = Parameters<
    typeof perform<AtCoordinator, E, CoordinatorState>
  >[3];
  const { none: _none, ...withoutAState } = AT_COORDINATOR.done;
  const { done: _done, ...withoutAnEvent } = AT_COORDINATOR;
  const { waiting: _waiting, ...withoutAPartState } = AT_PARTICIPANT.prepare;
  const { 'all know': _know, ...withoutAnItem } = DOCUMENT_ITEMS;
  const checked = [
    // @ts-expect-error: a cell is missing
    { ...AT_COORDINATOR, done: withoutAState } satisfies AtCoordinator,
    // @ts-expect-error: the cells of an event are missing
    withoutAnEvent satisfies AtCoordinator,
    // @ts-expect-error: a cell is missing
    { ...AT_PARTICIPANT, prepare: withoutAPartState } satisfies typeof AT_PARTICIPANT,
    // @ts-expect-error: the cells of an item are missing
    withoutAnItem satisfies typeof DOCUMENT_ITEMS,
    // @ts-expect-error: a state is new
    AT_COORDINATOR satisfies Rowed<keyof AtCoordinator, CoordinatorState | 'paused'>,
    // @ts-expect-error: a state is new
    AT_PARTICIPANT satisfies Rowed<keyof typeof AT_PARTICIPANT, PartState | 'asleep'>,
    // @ts-expect-error: an item is new
    DOCUMENT_ITEMS satisfies Rowed<DocumentItem | 'split', LogState>,
    // @ts-expect-error: an item is new
    PART_ITEMS satisfies Rowed<keyof typeof PART_ITEMS | 'moved', 'none'>,
    // @ts-expect-error: the event does not have this action
    { ...AT_COORDINATOR.done, none: 'refuse' } satisfies AtCoordinator['done'],
    // @ts-expect-error: an action is done nowhere
    { 'note, then wait': () => undefined } satisfies Doing<'done'>,
    // @ts-expect-error: no cell says this
    { refuse: () => undefined, ask: () => undefined } satisfies Doing<'vote rejected'>,
  ];
  // What is as it should be compiles.
  const whole: Rowed<DocumentItem, LogState> = DOCUMENT_ITEMS satisfies typeof DOCUMENT_ITEMS;
  expect([...checked, whole]).toHaveLength(12);
});

/** A table, whatever its cells say. */
type Rowed<Event extends string, State extends string> = {
  readonly [E in Event]: { readonly [S in State]: string };
};
