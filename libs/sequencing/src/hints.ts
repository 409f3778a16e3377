import type { StoredDefinition } from '@pyralog/model';
import { type Hints, NO_HINTS } from './plan.ts';

/** What a coordinator has been told of other partitions for one document. */
export class HintsSoFar implements Hints {
  readonly attributes: Map<string, StoredDefinition | undefined> = new Map();
  readonly holders: Map<string, string | undefined> = new Map();
  /** Something was told since this was last set to false. */
  isNew = false;

  add({ attributes, holders }: Hints): void {
    for (const [ident, definition] of attributes) this.attributes.set(ident, definition);
    for (const [claim, holder] of holders) this.holders.set(claim, holder);
    if (attributes.size > 0 || holders.size > 0) this.isNew = true;
  }
}

/** As it stands in messages: JSON, null for what is not there. */
export function encodeHints({ attributes, holders }: Hints): string {
  return JSON.stringify({
    attributes: Array.from(attributes, ([ident, definition]) => [ident, definition ?? null]),
    holders: Array.from(holders, ([claim, holder]) => [claim, holder ?? null]),
  });
}

interface Printed {
  readonly attributes: readonly (readonly [string, StoredDefinition | null])[];
  readonly holders: readonly (readonly [string, string | null])[];
}

/** What {@link encodeHints} wrote. What is no hint says nothing: nothing depends on hints but the next attempt. */
export function decodeHints(text: string): Hints {
  try {
    const { attributes, holders } = JSON.parse(text) as Printed;
    return {
      attributes: new Map(attributes.map(([ident, known]) => [ident, known ?? undefined])),
      holders: new Map(holders.map(([claim, holder]) => [claim, holder ?? undefined])),
    };
  } catch {
    return NO_HINTS;
  }
}
