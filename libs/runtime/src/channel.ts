import { assert } from '@pyralog/base';
import type { Channel } from './ports.ts';

/** What both ends of every channel do alike: keep messages until somebody listens, end once. */
abstract class ChannelBase implements Channel {
  #listener: ((message: unknown) => void) | undefined;
  #closeListener: ((error: Error | undefined) => void) | undefined;
  #kept: unknown[] = [];
  #closed: { readonly error: Error | undefined } | undefined;

  abstract post(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  abstract close(): void;

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  listen(listener: (message: unknown) => void): void {
    assert(this.#listener === undefined, 'a channel has one listener');
    this.#listener = listener;
    for (const message of this.#kept.splice(0)) listener(message);
  }

  onClose(listener: (error: Error | undefined) => void): void {
    assert(this.#closeListener === undefined, 'a channel has one listener of its end');
    this.#closeListener = listener;
    if (this.#closed !== undefined) listener(this.#closed.error);
  }

  protected received(message: unknown): void {
    if (this.#closed !== undefined) return;
    if (this.#listener === undefined) this.#kept.push(message);
    else this.#listener(message);
  }

  protected ended(error: Error | undefined): void {
    if (this.#closed !== undefined) return;
    this.#closed = { error };
    this.#closeListener?.(error);
  }
}

/** What a message port of Node and a worker have in common. */
export interface PortLike {
  postMessage(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  on(event: 'message', listener: (message: unknown) => void): unknown;
}

/** A channel over a `MessagePort` or a `Worker`. */
export class PortChannel extends ChannelBase {
  readonly #port: PortLike;
  readonly #close: () => void;

  constructor(port: PortLike, close: () => void) {
    super();
    this.#port = port;
    this.#close = close;
    port.on('message', (message) => this.received(message));
  }

  post(message: unknown, transfer: readonly ArrayBuffer[] = []): void {
    if (!this.closed) this.#port.postMessage(message, transfer);
  }

  close(): void {
    this.ended(undefined);
    this.#close();
  }

  /** The other end is gone. */
  lost(error: Error | undefined): void {
    this.ended(error);
  }
}

/** One end of a pair within a thread. */
export interface LocalEnd extends Channel {
  /** Closes, and tells the other end of a crash. */
  crash(error: Error): void;
}

/** The same manners as between threads, clones included. */
class LocalChannel extends ChannelBase implements LocalEnd {
  peer: LocalChannel | undefined;

  post(message: unknown, transfer: readonly ArrayBuffer[] = []): void {
    if (this.closed) return;
    const clone: unknown = structuredClone(message, { transfer: [...transfer] });
    queueMicrotask(() => this.peer?.received(clone));
  }

  close(): void {
    this.#end(undefined);
  }

  crash(error: Error): void {
    this.#end(error);
  }

  #end(error: Error | undefined): void {
    this.ended(undefined);
    queueMicrotask(() => this.peer?.ended(error));
  }
}

/** Two connected ends within this thread. */
export function channelPair(): readonly [LocalEnd, LocalEnd] {
  const [a, b] = [new LocalChannel(), new LocalChannel()];
  a.peer = b;
  b.peer = a;
  return [a, b];
}

type Envelope =
  | { readonly lane: string; readonly message: unknown }
  /** The last of its lane. */
  | { readonly lane: string; readonly closed: true };

class Lane extends ChannelBase {
  readonly #name: string;
  readonly #carrier: Channel;

  constructor(name: string, carrier: Channel) {
    super();
    this.#name = name;
    this.#carrier = carrier;
  }

  post(message: unknown, transfer?: readonly ArrayBuffer[]): void {
    if (!this.closed)
      this.#carrier.post({ lane: this.#name, message } satisfies Envelope, transfer);
  }

  close(): void {
    if (!this.closed) this.#carrier.post({ lane: this.#name, closed: true } satisfies Envelope);
    this.ended(undefined);
  }

  take(message: unknown): void {
    this.received(message);
  }

  otherEnded(error: Error | undefined): void {
    this.ended(error);
  }
}

/** Several channels over one, known by name at both ends; they end with it. */
export function lanes<Name extends string>(
  carrier: Channel,
  names: readonly Name[],
): Readonly<Record<Name, Channel>> {
  const byName = new Map<string, Lane>(names.map((name) => [name, new Lane(name, carrier)]));
  carrier.listen((envelope) => {
    const told = envelope as Envelope;
    const lane = byName.get(told.lane);
    assert(lane !== undefined, `a channel has no lane ${told.lane}`);
    if ('closed' in told) lane.otherEnded(undefined);
    else lane.take(told.message);
  });
  carrier.onClose((error) => {
    for (const lane of byName.values()) lane.otherEnded(error);
  });
  return Object.fromEntries(byName) as unknown as Record<Name, Channel>;
}
