const UNFINISHED = /^(.+)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * S3Proxy writes what is put to a file beside the object, called after it and a UUID, and gives it the name
 * of the object when it is whole. Where it is killed in between the file stays, and listings have it.
 * @returns the key of what was to be put; undefined where the name is not of that kind
 */
export function unfinishedKey(key: string): string | undefined {
  return UNFINISHED.exec(key)?.[1];
}
