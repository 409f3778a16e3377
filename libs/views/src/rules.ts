import { assert } from '@pyralog/base';
import { PyralogError, TX_NONE, type Tx } from '@pyralog/model';
import type { EntityView, ViewBatch } from './views.ts';

/** Nothing but names of databases may stand before the first colon of a key. */
export function assertDatabase(database: string): void {
  assert(
    /^[a-z][a-z0-9-]{0,47}$/.test(database),
    `not the name of a database: ${JSON.stringify(database)}`,
  );
}

export function assertStep({ database, from, to }: ViewBatch): void {
  assertDatabase(database);
  assert(to > from, 'a batch leads on');
}

/** What is written wrong here stays wrong for other programs, who cannot tell. */
export function assertEntity({ entity, tx, attributes }: EntityView, from: Tx, to: Tx): void {
  assert(tx > from && tx <= to, `${entity} did not change in the batch`);
  if (attributes === undefined) {
    assert(from > TX_NONE, `${entity} has no fact in force, and a load is of those that have`);
    return;
  }
  assert(attributes.size > 0, `${entity} has no fact in force and an empty record`);
  for (const attribute of attributes.keys())
    assert(!attribute.startsWith(':'), `${attribute} of ${entity} would hide a field of our own`);
}

export function viewsClosed(): PyralogError {
  return new PyralogError('stopping', 'The store of views is closed.');
}

export function clearedByAnother(database: string): PyralogError {
  return new PyralogError('busy', `Another one has begun to clear the views of ${database}.`);
}
