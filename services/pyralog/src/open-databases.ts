import { PyralogError } from '@pyralog/model';
import { type Doing, type Troubled, troublesOf } from './troubles.ts';

/** The databases that a host has open: each is opened once, by whoever asks first. */
export class OpenDatabases<D extends Troubled & AsyncDisposable> implements AsyncDisposable {
  readonly #opening = new Map<string, Promise<D>>();
  readonly #opened = new Set<D>();
  readonly #stop = new AbortController();

  /** Whether they are closed. */
  get isClosed(): boolean {
    return this.#stop.signal.aborted;
  }

  /**
   * The database of a name; one whose opening fails is opened anew for the next.
   * @param open is given a signal that gives it up
   */
  get(name: string, open: (signal: AbortSignal) => Promise<D>): Promise<D> {
    if (this.isClosed)
      return Promise.reject(new PyralogError('stopping', 'The databases are closed.'));
    const known = this.#opening.get(name);
    if (known !== undefined) return known;
    const opening = open(this.#stop.signal);
    this.#opening.set(name, opening);
    opening.then(
      (database) => this.#opened.add(database),
      () => this.#opening.delete(name),
    );
    return opening;
  }

  /** What does not work of them at the moment, a sentence each. */
  troubles(doing: Doing): readonly string[] {
    return troublesOf(this.#opened, doing);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isClosed) return;
    this.#stop.abort();
    const all = await Promise.allSettled(this.#opening.values());
    for (const result of all)
      if (result.status === 'fulfilled') await result.value[Symbol.asyncDispose]();
  }
}
