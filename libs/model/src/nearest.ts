/**
 * The name that a misspelt one most likely means: at most two edits away (Levenshtein), and fewer than half of
 * its letters; ignoring case.
 */
export function nearestName(written: string, names: Iterable<string>): string | undefined {
  const word = written.toLowerCase();
  if (word.length > LENGTH_MAX) return undefined;
  let best: string | undefined;
  let least = Math.min(3, Math.ceil(word.length / 2));
  for (const name of names) {
    const distance = editDistance(word, name.toLowerCase(), least);
    if (distance < least) {
      least = distance;
      best = name;
    }
  }
  return best;
}

const LENGTH_MAX = 100;

/** Edits from one word to the other, or `enough` where it takes as many. */
function editDistance(a: string, b: string, enough: number): number {
  if (Math.abs(a.length - b.length) >= enough) return enough;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return Math.min(row[b.length] as number, enough);
}
