/*
 * Definitions to compare with, each by another way than the code goes: by search, by counting, by Node's own tools.
 */

/** The most that JavaScript gives: enough to see whether a double lies in the middle between two texts. */
const DIGITS_MAX = 100;

/**
 * The fewest digits that give a double back, of these the nearest, as ECMAScript writes numbers (Number::toString,
 * which RFC 8785 takes over): found by trying 1, 2, 3, … digits.
 */
export function shortestDigits(value: number): string {
  if (value === 0) return '0';
  let precision = 1;
  while (Number(value.toExponential(precision - 1)) !== value) precision++;
  const [mantissa = '', exponent = ''] = value.toExponential(precision - 1).split('e');
  const sign = value < 0 ? '-' : '';
  let digits = mantissa.replace('-', '').replace('.', '');
  // Of two that are equally near the even one; toExponential takes the greater.
  const exact =
    value.toExponential(DIGITS_MAX).replace('-', '').replace('.', '').split('e')[0] ?? '';
  const below = exact.slice(0, precision);
  if (/^50*$/.test(exact.slice(precision)) && /[02468]$/.test(below)) digits = below;
  // The decimal point stands behind this many digits.
  const point = Number(exponent) + 1;
  if (point > 21 || point <= -6) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : '';
    return `${sign}${digits.slice(0, 1)}${fraction}e${point > 0 ? '+' : '-'}${Math.abs(point - 1)}`;
  }
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  if (point >= digits.length) return sign + digits.padEnd(point, '0');
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** UTF-8 order, by Node's own bytes. */
export function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8'));
}

const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function isLeap(year: number): boolean {
  return year % 400 === 0 || (year % 4 === 0 && year % 100 !== 0);
}

export function daysInMonth(year: number, month: number): number {
  return (MONTH_DAYS[month - 1] ?? 0) + (month === 2 && isLeap(year) ? 1 : 0);
}

/** Days from 1970-01-01 to the first of January, by counting the leap years between. */
function daysToYear(year: number): number {
  const leapYearsBefore = (y: number): number =>
    Math.floor((y - 1) / 4) - Math.floor((y - 1) / 100) + Math.floor((y - 1) / 400);
  return 365 * (year - 1970) + leapYearsBefore(year) - leapYearsBefore(1970);
}

/** Days since 1970-01-01 of a date of the proleptic Gregorian calendar, month by month. */
export function daysSinceEpoch(year: number, month: number, day: number): number {
  let days = daysToYear(year) + day - 1;
  for (let m = 1; m < month; m++) days += daysInMonth(year, m);
  return days;
}

/** The date of a day, by looking for its year and then for its month. */
export function dateOfDay(days: number): readonly [year: number, month: number, day: number] {
  let [low, high] = [-400_000, 400_000];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (daysToYear(middle) <= days) low = middle;
    else high = middle - 1;
  }
  let rest = days - daysToYear(low);
  let month = 1;
  while (rest >= daysInMonth(low, month)) rest -= daysInMonth(low, month++);
  return [low, month, rest + 1];
}
