/** The wall clock. Contract suite: test/contract/clock.ts. */
export interface Clock {
  /** Nanoseconds since 1970, as fine as the platform gives it; may jump. */
  nowNanos(): bigint;
  /** Milliseconds that never go back; for durations only. */
  monotonicMillis(): number;
}

/** Waiting, by the clock that never goes back. Contract suite: test/contract/timers.ts. */
export interface Timers {
  /**
   * Resolves after the delay, or at once (quietly) when the signal aborts. Keeps the process alive only
   * where it is told to.
   */
  sleep(delayMillis: number, signal?: AbortSignal, keepAlive?: boolean): Promise<void>;
  /** Resolves when the events that have already arrived were handled: what is waiting then can go together. */
  immediate(): Promise<void>;
  /** Calls once after the delay unless disposed before. */
  after(delayMillis: number, call: () => void): Disposable;
}

/** Source of chance: cryptographic in production, seeded in tests. Contract suite: test/contract/rand.ts. */
export interface Rand {
  bytes(length: number): Uint8Array;
  /** Uniform in [0, 1). */
  fraction(): number;
}

/** One end of a pair of message channels between threads, or within one. Messages are structured clones. */
export interface Channel {
  post(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  /** At most one listener; messages that came before it are kept for it. */
  listen(listener: (message: unknown) => void): void;
  /** The other end is gone, by `close`, a crash or the end of its thread. At most one listener. */
  onClose(listener: (error: Error | undefined) => void): void;
  close(): void;
}

/**
 * A running thread: its channel, and its end. Disposal tells it to end and waits for it; one that does not
 * for long is killed.
 */
export interface Thread extends AsyncDisposable {
  readonly channel: Channel;
  /** Resolves when the thread has ended by itself or by disposal; rejects when it crashed or was killed. */
  readonly ended: Promise<void>;
  /** Ends it at once, whatever it is doing. */
  kill(): Promise<void>;
}

/** Starts code on another thread. */
export interface Threads {
  /**
   * `entry` is the file URL of a module that exports `run(channel, data): Promise<void>`; `data` is
   * a structured clone.
   */
  start(entry: URL, data: unknown): Thread;
}
