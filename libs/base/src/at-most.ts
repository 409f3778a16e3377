/**
 * Runs something for every item, for at most `count` of them at once. After the first that rejects no other is begun;
 * it rejects with that reason when those on their way have ended, so that nothing goes on behind its back.
 */
export async function forEachAtMost<T>(
  count: number,
  items: Iterable<T>,
  run: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items[Symbol.iterator]();
  const failures: unknown[] = [];
  const work = async (): Promise<void> => {
    while (failures.length === 0) {
      const next = rest.next();
      if (next.done === true) return;
      try {
        await run(next.value);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: count }, work));
  if (failures.length > 0) throw failures[0];
}
