/**
 * Order of two strings by their UTF-8 bytes, which is the order of code points. JavaScript's `<`
 * compares UTF-16 units and puts U+10000 and above before U+E000; every index, page and hash uses this
 * order instead. Strings must have no lone surrogates (the model refuses them).
 */
export function compareUtf8(a: string, b: string): number {
  if (a === b) return 0;
  const end = Math.min(a.length, b.length);
  for (let i = 0; i < end; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return fixup(x) - fixup(y);
  }
  return a.length - b.length;
}

/** Moves surrogates above U+E000..U+FFFF, keeping the order inside each group. */
function fixup(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** UTF-8 of a string without lone surrogates. */
export function utf8Encode(text: string): Uint8Array {
  return encoder.encode(text);
}

/** @throws TypeError where the bytes are not UTF-8. */
export function utf8Decode(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** Length of a string's UTF-8, in bytes, without encoding it. */
export function utf8Length(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) length += 1;
    else if (unit >= 0xd800 && unit <= 0xdbff) {
      length += 2;
      i++;
    } else length += 2;
  }
  return length;
}

/** Whether a string has a surrogate without its partner, and so no UTF-8. */
export function hasLoneSurrogate(text: string): boolean {
  return !text.isWellFormed();
}
