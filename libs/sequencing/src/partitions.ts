import { assert } from '@pyralog/base';
import { identOfEntity, partitionOf } from '@pyralog/model';
import type { ResolveContext } from './context.ts';

/** A sequencer resolves what lies on its partition; the schema, which all of them go by, has copies on all. */
export function assertHome(
  entity: string,
  { partition, partitions }: Pick<ResolveContext, 'partition' | 'partitions'>,
): void {
  if (partitions === 1 || identOfEntity(entity) !== undefined) return;
  assert(
    partitionOf(entity, partitions) === partition,
    'a part is about entities of its partition',
  );
}
