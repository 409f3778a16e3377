import { PyralogError } from './errors.ts';
import { shortened } from './json-print.ts';

/*
 * Instants as text: RFC 3339, with years of six digits and a sign outside 0000 to 9999 (ISO 8601 expanded,
 * as ECMAScript writes them).
 *
 *   instant := year "-" month "-" day "T" hour ":" minute ":" second ("." digit{1,9})? zone
 *   year    := digit{4} | ("+" | "-") digit{6}          // not -000000
 *   zone    := "Z" | ("+" | "-") hour ":" minute        // "t" and "z" are read too
 *
 * Written in UTC with 0, 3 or 6 decimals (microseconds) or always 9 (nanoseconds of a tx). The calendar is the
 * Gregorian one in both directions. Leap seconds have no place in the count and are refused.
 */

const MICROS_MIN = -(2n ** 63n);
const MICROS_MAX = 2n ** 63n - 1n;
const SECONDS_PER_DAY = 86_400;

const GRAMMAR =
  /^([0-9]{4}|[+-][0-9]{6})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?([Zz]|[+-][0-9]{2}:[0-9]{2})$/;
const DATE_GRAMMAR = /^([0-9]{4}|[+-][0-9]{6})-([0-9]{2})-([0-9]{2})$/;

/** What a text says, or a sentence on why it says nothing. */
export type InstantReading =
  | { readonly nanos: bigint; readonly problem?: undefined }
  | { readonly problem: string };

/** Reads an instant of any year in nanoseconds since 1970. Never throws. */
export function readInstant(text: string): InstantReading {
  const match = GRAMMAR.exec(text);
  if (match === null) return { problem: problemOf(text) };
  const [, year = '', month, day, hour, minute, second, fraction = '', zone = ''] = match;
  const days = daysOf(year, Number(month), Number(day));
  if (typeof days === 'string') return { problem: days };
  const clock = clockOf(Number(hour), Number(minute), Number(second));
  if (typeof clock === 'string') return { problem: clock };
  const offset = offsetOf(zone);
  if (typeof offset === 'string') return { problem: offset };
  const seconds = BigInt(days * SECONDS_PER_DAY + clock - offset);
  return { nanos: seconds * 1_000_000_000n + BigInt(fraction.padEnd(9, '0')) };
}

/** Reads `YYYY-MM-DD` as its first nanosecond in UTC; undefined where the text is not of this form. */
export function readDate(text: string): InstantReading | undefined {
  const match = DATE_GRAMMAR.exec(text);
  if (match === null) return undefined;
  const [, year = '', month, day] = match;
  const days = daysOf(year, Number(month), Number(day));
  return typeof days === 'string'
    ? { problem: days }
    : { nanos: BigInt(days * SECONDS_PER_DAY) * 1_000_000_000n };
}

/**
 * An instant value: microseconds since 1970.
 * @throws value-invalid where the text is no instant, finer than a microsecond, or beyond the int64.
 */
export function parseInstant(text: string): bigint {
  const reading = readInstant(text);
  if (reading.problem !== undefined) throw invalid(text, reading.problem);
  if (reading.nanos % 1000n !== 0n)
    throw invalid(text, 'an instant is not finer than a microsecond, which is six decimals');
  const micros = reading.nanos / 1000n;
  if (micros < MICROS_MIN || micros > MICROS_MAX)
    throw invalid(
      text,
      `instants lie between ${formatInstant(MICROS_MIN)} and ${formatInstant(MICROS_MAX)}`,
    );
  return micros;
}

function invalid(text: string, problem: string): PyralogError {
  return new PyralogError(
    'value-invalid',
    `${JSON.stringify(shortened(text))} is not an instant: ${problem}.`,
    {
      hint: 'An instant is RFC 3339 with a zone, for example "2020-01-31T12:00:00Z" or "2020-01-31T14:00:00.250+02:00".',
    },
  );
}

/** Canonical text of an instant value, an int64 of microseconds: 0, 3 or 6 decimals and `Z`. */
export function formatInstant(micros: bigint): string {
  const [seconds, rest] = split(micros, 1_000_000n);
  const digits = String(rest).padStart(6, '0');
  const fraction = rest === 0 ? '' : rest % 1000 === 0 ? `.${digits.slice(0, 3)}` : `.${digits}`;
  return `${formatSeconds(seconds)}${fraction}Z`;
}

/** Text of nanoseconds since 1970, as of a tx: always nine decimals and `Z`. */
export function formatNanos(nanos: bigint): string {
  const [seconds, rest] = split(nanos, 1_000_000_000n);
  return `${formatSeconds(seconds)}.${String(rest).padStart(9, '0')}Z`;
}

/** Floor division; an int64 of microseconds has less than 2^44 seconds, so both parts are exact numbers. */
function split(count: bigint, unit: bigint): [whole: number, rest: number] {
  const rest = ((count % unit) + unit) % unit;
  return [Number((count - rest) / unit), Number(rest)];
}

function formatSeconds(seconds: number): string {
  const days = Math.floor(seconds / SECONDS_PER_DAY);
  const ofDay = seconds - days * SECONDS_PER_DAY;
  const { year, month, day } = civilFromDays(days);
  const clock = [Math.floor(ofDay / 3600), Math.floor(ofDay / 60) % 60, ofDay % 60]
    .map(two)
    .join(':');
  return `${formatYear(year)}-${two(month)}-${two(day)}T${clock}`;
}

function formatYear(year: number): string {
  if (year >= 0 && year <= 9999) return String(year).padStart(4, '0');
  return `${year < 0 ? '-' : '+'}${String(Math.abs(year)).padStart(6, '0')}`;
}

function two(count: number): string {
  return count < 10 ? `0${count}` : String(count);
}

/** Days since 1970, or what is wrong with the date. */
function daysOf(yearText: string, month: number, day: number): number | string {
  if (yearText === '-000000') return 'the year 0 has no sign';
  if (month < 1 || month > 12) return `there is no month ${month}`;
  const year = Number(yearText);
  if (day < 1 || day > daysInMonth(year, month))
    return `month ${month} of the year ${year} has no day ${day}`;
  return daysFromCivil(year, month, day);
}

function clockOf(hour: number, minute: number, second: number): number | string {
  if (hour > 23) return `there is no hour ${hour}`;
  if (minute > 59) return `there is no minute ${minute}`;
  if (second === 60)
    return 'leap seconds are not counted; write second 59, or 00 of the next minute';
  if (second > 60) return `there is no second ${second}`;
  return hour * 3600 + minute * 60 + second;
}

/** Seconds that the zone is ahead of UTC. */
function offsetOf(zone: string): number | string {
  if (zone === 'Z' || zone === 'z') return 0;
  const hour = Number(zone.slice(1, 3));
  const minute = Number(zone.slice(4, 6));
  if (hour > 23 || minute > 59) return `there is no zone ${zone}`;
  return (zone.startsWith('-') ? -1 : 1) * (hour * 3600 + minute * 60);
}

function problemOf(text: string): string {
  if (DATE_GRAMMAR.test(text)) return 'the time of the day is missing';
  if (/[0-9]$/.test(text) && GRAMMAR.test(`${text}Z`)) return 'the zone is missing';
  if (/\.[0-9]{10,}([Zz]|[+-])/.test(text)) return 'it has more than nine decimals';
  return 'it does not have the form of RFC 3339';
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

const DAYS_PER_ERA = 146_097;
/** Days from 0000-03-01 to 1970-01-01. */
const DAYS_TO_EPOCH = 719_468;

/**
 * Days since 1970-01-01 of a Gregorian date, after Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms"
 * (2013): years begin in March, so that the leap day comes last, and repeat every 400 years.
 */
function daysFromCivil(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  const dayOfEra =
    yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * DAYS_PER_ERA + dayOfEra - DAYS_TO_EPOCH;
}

/** The inverse of {@link daysFromCivil}, of the same source. */
function civilFromDays(days: number): { year: number; month: number; day: number } {
  const shifted = days + DAYS_TO_EPOCH;
  const era = Math.floor(shifted / DAYS_PER_ERA);
  const dayOfEra = shifted - era * DAYS_PER_ERA;
  const leapDays =
    Math.floor(dayOfEra / 1460) - Math.floor(dayOfEra / 36_524) + Math.floor(dayOfEra / 146_096);
  const yearOfEra = Math.floor((dayOfEra - leapDays) / 365);
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1,
  };
}
