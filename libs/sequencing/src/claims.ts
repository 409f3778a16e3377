import { createHash } from 'node:crypto';
import { utf8Encode } from '@pyralog/base';
import {
  CLAIM_ENTITY_PREFIX,
  formatValue,
  isReference,
  partitionOf,
  type PartitionNo,
  type StoredValue,
} from '@pyralog/model';
import { shown } from './refusals.ts';

/*
 * Who holds a unique value is decided at one place, its home, whatever entity wants it. There the claim is an entity
 * whose one fact names the holder; it lies in the log and in the index as others do, and is in no answer.
 */

/** The claim of a unique value. */
export interface Claim {
  /** The entity that the claim is. */
  readonly claim: string;
  readonly attribute: string;
  /** The value for messages. */
  readonly text: string;
}

/** A value that an entity takes. */
export interface Take extends Claim {
  readonly entity: string;
  /** Who gives it up in the same transaction; undefined: it must be free, or the entity's own. */
  readonly from: string | undefined;
}

/** A value that an entity gives up. */
export interface Release extends Claim {
  readonly entity: string;
}

/** The one attribute of a claim: the entity that holds the value. */
export const HOLDER = 'db/holder';

/** What tells a value from others of its attribute, as text. */
function textOf(value: StoredValue): string {
  return isReference(value) ? value.sha256 : formatValue(value);
}

/** Where it is decided who holds a value. A {tag} in it routes it like an entity, so that both can be kept together. */
export function homeOfClaim(
  attribute: string,
  value: StoredValue,
  partitions: number,
): PartitionNo {
  return partitionOf(`unique:${attribute}=${textOf(value)}`, partitions);
}

/** The claim of a value. Its entity is a hash of both, since these may be long. */
export function claimOf(attribute: string, value: StoredValue): Claim {
  const kind = isReference(value) ? 'blob' : value.type;
  const hash = createHash('sha256');
  hash.update(utf8Encode(`${attribute}\0${kind}\0${textOf(value)}`));
  return { claim: CLAIM_ENTITY_PREFIX + hash.digest('hex'), attribute, text: shown([value]) };
}
