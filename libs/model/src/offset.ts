import { assert, type Brand } from '@pyralog/base';

/** Position of a record in a partition of a topic, from 0; gaps are allowed. */
export type LogOffset = Brand<number, 'LogOffset'>;

/** Brands a safe integer that is not negative; anything else is a defect. */
export function logOffset(value: number): LogOffset {
  assert(Number.isSafeInteger(value) && value >= 0, `log offset out of range: ${value}`);
  return value as LogOffset;
}

/** Number of a leadership of a partition; 0 is before the first. */
export type Epoch = Brand<number, 'Epoch'>;

/** Brands a safe integer that is not negative; anything else is a defect. */
export function epoch(value: number): Epoch {
  assert(Number.isSafeInteger(value) && value >= 0, `epoch out of range: ${value}`);
  return value as Epoch;
}

/** One incarnation of an owner: 128 random bits, 32 hexadecimal digits. */
export type OwnerId = Brand<string, 'OwnerId'>;

/** Brands 32 hexadecimal digits in lower case; anything else is a defect. */
export function ownerId(hex: string): OwnerId {
  assert(/^[0-9a-f]{32}$/.test(hex), 'an owner id has 32 hexadecimal digits');
  return hex as OwnerId;
}
