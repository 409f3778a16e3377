import type { AttributeDefinition } from '../schema.ts';
import type { ValueType } from '../value.ts';

/** Every definition of the given types there can be: a unique attribute is indexed. */
export function allDefinitions(
  ident: string,
  types: readonly ValueType[],
): readonly AttributeDefinition[] {
  const flags = [false, true];
  return types.flatMap((valueType) =>
    (['one', 'many'] as const).flatMap((cardinality) =>
      ([undefined, 'value', 'identity'] as const).flatMap((unique) =>
        (unique === undefined ? flags : [true]).flatMap((index) =>
          [undefined, 'a doc'].flatMap((doc) =>
            flags.map((inferred) => ({
              ident,
              valueType,
              cardinality,
              unique,
              index,
              doc,
              inferred,
            })),
          ),
        ),
      ),
    ),
  );
}
