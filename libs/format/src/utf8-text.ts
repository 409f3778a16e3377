import { utf8Decode } from '@pyralog/base';

const encoder = new TextEncoder();
/** Above these lengths a call into the engine costs less than a loop of ours. */
const WRITE_UNITS_MAX = 48;
const READ_BYTES_MAX = 10;

/**
 * Writes a text's UTF-8 and returns the position behind it. There must be room for three bytes per
 * UTF-16 unit. Most texts of facts are short and ASCII, for which a loop beats a call into the engine.
 */
export function writeUtf8(text: string, into: Uint8Array, at: number): number {
  const units = text.length;
  let done = 0;
  if (units <= WRITE_UNITS_MAX) {
    for (; done < units; done++) {
      const unit = text.charCodeAt(done);
      if (unit > 0x7f) break;
      into[at + done] = unit;
    }
    if (done === units) return at + units;
  }
  const rest = done === 0 ? text : text.slice(done);
  return at + done + encoder.encodeInto(rest, into.subarray(at + done)).written;
}

/** UTF-8 of a text. */
export function utf8Of(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 3);
  return bytes.subarray(0, writeUtf8(text, bytes, 0));
}

/** The text of UTF-8 in [from, to). @throws TypeError where the bytes are not UTF-8. */
export function readUtf8(bytes: Uint8Array, from: number, to: number): string {
  if (to - from <= READ_BYTES_MAX) {
    let text = '';
    for (let at = from; at < to; at++) {
      const byte = bytes[at] as number;
      if (byte > 0x7f) return utf8Decode(bytes.subarray(from, to));
      text += String.fromCharCode(byte);
    }
    return text;
  }
  return utf8Decode(bytes.subarray(from, to));
}
