/** Figures of a benchmark: medians and percentiles, never means. */
export interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly count: number;
}

/** Percentiles of durations in milliseconds. */
export function latency(samples: readonly number[]): Latency {
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (q: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] as number;
  return { p50: at(0.5), p99: at(0.99), count: sorted.length };
}

export function median(samples: readonly number[]): number {
  return latency(samples).p50;
}

/** Milliseconds that `work` took. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/** Runs `work` over the items, `concurrency` at a time, in order of start. @returns a duration per item, in milliseconds */
export async function inFlight<T>(
  items: readonly T[],
  concurrency: number,
  work: (item: T) => Promise<unknown>,
): Promise<number[]> {
  const durations: number[] = Array.from({ length: items.length }, () => 0);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const i = next++;
      durations[i] = await timed(() => work(items[i] as T));
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return durations;
}

/** 1234567.8 → "1.23 M"; 0.01234 → "0.0123". */
export function figure(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toPrecision(3)} M`;
  if (value >= 1e4) return `${(value / 1e3).toPrecision(3)} k`;
  return value >= 1000 ? value.toFixed(0) : value.toPrecision(3);
}
