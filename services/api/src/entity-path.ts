import { checkEntity, PyralogError } from '@pyralog/model';

export interface EntityPath {
  readonly entity: string;
  readonly history: boolean;
}

/**
 * The entity that an address names: `/v1/{db}/entities/{id}` or `…/{id}/history`. The id is read from the address as it came, since
 * `%2F` belongs to an id and `/` does too, unless it begins the `/history` at the end. An id that the path cannot carry comes as a
 * parameter.
 *
 * @param url path and query as they stand in the request
 * @throws entity-invalid, parameter-invalid
 */
export function entityOfPath(url: string, inQuery: string | undefined): EntityPath {
  const query = url.indexOf('?');
  const path = query < 0 ? url : url.slice(0, query);
  const raw = path.split('/').slice(4).join('/');
  const history = raw.endsWith('/history');
  const written = decoded(history ? raw.slice(0, -'/history'.length) : raw);
  if (inQuery !== undefined && written !== '') {
    throw new PyralogError(
      'parameter-invalid',
      'id: The entity is named twice, in the path and as a parameter.',
      { extra: { parameter: 'id' } },
    );
  }
  return { entity: checkEntity(inQuery ?? written), history };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new PyralogError(
      'entity-invalid',
      'The entity id in the address is not percent-encoded UTF-8.',
      {
        hint: 'Encode the id as encodeURIComponent does: paper%201 for "paper 1".',
      },
    );
  }
}
