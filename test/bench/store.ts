import type { PersonRow, WorkloadDocument, WorkloadTransaction } from './workload.ts';

/**
 * What every store is asked in the same way. Transactions are numbered as in the workload, people by
 * their number, and a moment of the past is the number of a transaction.
 *
 * Sending and asking are what the clock sees. What a program would have done before (a document as bytes,
 * a parameter as text) is in making the {@link Send}; how the answer is written down here, in its
 * {@link Reading}.
 */
export interface Store extends AsyncDisposable {
  /** Whether transactions in flight are committed in the order in which they were sent. */
  readonly keepsOrder: boolean;
  /** A transaction of the workload as it comes from elsewhere, ready to be loaded. */
  load(transaction: WorkloadTransaction): Send;
  /** Documents of three facts about new entities, in one transaction. */
  loadDocuments(documents: readonly WorkloadDocument[]): Send;
  /** A transaction as a program makes it, ready to be committed. */
  commit(transaction: WorkloadTransaction): Send;
  /** Resolves when what was committed is where reads find it at their best. */
  settle(): Promise<void>;
  value(person: number, attribute: string): Promise<Reading<Scalar>>;
  /** Now, or after a transaction. */
  person(person: number, after?: number): Promise<Reading<PersonRow>>;
  history(person: number): Promise<Reading<HistoryShape>>;
  nameByEmail(email: string): Promise<Reading<Scalar>>;
  /** Number of people by city, now or after a transaction. */
  peopleByCity(after?: number): Promise<Reading<Readonly<Record<string, number>>>>;
  /** Number of people who are boss or friend of the boss or friend of a person. */
  twoHops(person: number): Promise<Reading<number>>;
  transaction(number: number): Promise<Reading<TransactionShape>>;
}

/** Sends what it was made of. @returns facts written, when they are durable */
export type Send = () => Promise<number>;

/** Takes an answer apart; not timed. */
export type Reading<T> = () => T;

export type Scalar = string | number | boolean;

export interface HistoryShape {
  /** Assertions and retractions. */
  readonly datoms: number;
  /** Transactions. */
  readonly versions: number;
}

export interface TransactionShape {
  readonly datoms: number;
  readonly ents: number;
}
