import { AssertionError, TruncatedError } from '@pyralog/base';
import { PyralogError } from '@pyralog/model';

/** Bytes that are not what was written; `what` names the thing: `commit record`, a file's name. */
export function damaged(what: string, why: string): PyralogError {
  return new PyralogError('object-damaged', `The ${what} is damaged: ${why}.`, {
    hint: 'Run `pyralog verify` to find all that is damaged. Restore the file from a copy.',
  });
}

/** Bytes of a version or kind that this version cannot read. */
export function unknownFormat(what: string, which: string): PyralogError {
  return new PyralogError(
    'format-unknown',
    `The ${what} has ${which}, which this version of Pyralog cannot read.`,
    {
      hint: 'Use the version of Pyralog that wrote it, or a newer one.',
    },
  );
}

const STUMBLES = [TruncatedError, AssertionError, TypeError, RangeError, SyntaxError];

/**
 * Runs a decoder, and turns what it stumbles over into `object-damaged`. Checksums are verified before,
 * so only bytes that were written wrongly get this far.
 */
export function decodeSafely<T>(what: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (error instanceof Error && STUMBLES.some((stumble) => error instanceof stumble)) {
      throw damaged(what, `its content does not hold together (${error.message})`);
    }
    throw error;
  }
}
