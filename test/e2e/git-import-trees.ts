import { must } from '@pyralog/base';
import type { Database } from '@pyralog/client';
import { type Fact, parseTx, type Tx } from '@pyralog/model';
import { expect } from 'vitest';
import { pathEntity } from '../../services/pyralog/src/git/documents.ts';
import { git, listTree } from './git-import-repository.ts';

/** The transaction that a commit came in. */
export async function txOf(target: Database, sha: string): Promise<Tx | undefined> {
  const [value] = (await target.entity(`commit:${sha}`)).attributes.get('commit/tx')?.values ?? [];
  return value?.type === 'ref' ? parseTx(value.value.slice('tx:'.length)) : undefined;
}

/** Entity to mode, blob and size as of a moment. */
async function treeAsOf(target: Database, asOf: Tx): Promise<Map<string, string>> {
  const entities = new Map<string, Record<string, string>>();
  for (const attribute of ['git/blob', 'git/mode', 'git/size', 'git/path']) {
    for await (const fact of pages(target, attribute, asOf)) {
      const found = entities.get(fact.entity) ?? {};
      found[attribute] =
        fact.value.type === 'bytes'
          ? Buffer.from(fact.value.value).toString('hex')
          : String(fact.value.value);
      entities.set(fact.entity, found);
    }
  }
  return new Map(
    [...entities].map(([entity, found]) => [
      entity,
      JSON.stringify([found['git/mode'], found['git/blob'], found['git/size'], found['git/path']]),
    ]),
  );
}

async function* pages(target: Database, attribute: string, asOf: Tx): AsyncIterable<Fact> {
  let cursor: string | undefined;
  do {
    const page = await target.state({ index: 'aevt', attribute, cursor }, { asOf });
    yield* page.facts;
    cursor = page.next;
  } while (cursor !== undefined);
}

function expectedTree(dir: string, sha: string): Map<string, string> {
  return new Map(
    listTree(dir, sha).map(({ path, mode, blob, size }) => {
      const { entity, hashed } = pathEntity(path);
      return [
        entity,
        JSON.stringify([mode, blob, size?.toString(), hashed ? path.toString('hex') : undefined]),
      ];
    }),
  );
}

/** For every commit of the chain: the paths as of its tx are its tree. @returns the transactions of the chain */
export async function expectSameTrees(target: Database, dir: string, ref = 'HEAD'): Promise<Tx[]> {
  const chain = git(dir, 'rev-list', '--first-parent', '--reverse', ref).trim().split('\n');
  const transactions: Tx[] = [];
  for (const sha of chain) {
    const tx = must(await txOf(target, sha), `commit ${sha} has a transaction`);
    transactions.push(tx);
    expect(sorted(await treeAsOf(target, tx)), `tree of ${sha}`).toEqual(
      sorted(expectedTree(dir, sha)),
    );
  }
  expect(transactions).toEqual([...transactions].sort((a, b) => (a < b ? -1 : 1)));
  return transactions;
}

const sorted = (map: Map<string, string>): [string, string][] =>
  [...map].sort(([a], [b]) => (a < b ? -1 : 1));
