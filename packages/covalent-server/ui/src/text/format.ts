/** Numbers, sizes and times as people read them. Pure. */

const SECOND = 1;
const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;

/** A span of time, in at most two units: `< 1 ms`, `340 ms`, `4.2 s`, `3 min 10 s`. */
export function duration(seconds: number): string {
  const span = Math.max(0, seconds);
  if (span < 0.0005) return span === 0 ? "0 ms" : "< 1 ms";
  if (span < 0.0995) return `${Math.round(span * 1000)} ms`;
  if (span < SECOND) return `${Math.round(span * 100) * 10} ms`;
  if (span < 10) return `${trimmed(span)} s`;
  const whole = Math.round(span);
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return two(whole, MINUTE, "min", SECOND, "s");
  if (whole < DAY) return two(whole, HOUR, "h", MINUTE, "min");
  return two(whole, DAY, "d", HOUR, "h");
}

function two(span: number, large: number, first: string, small: number, second: string): string {
  const rest = Math.floor((span % large) / small);
  return `${Math.floor(span / large)} ${first}${rest > 0 ? ` ${rest} ${second}` : ""}`;
}

function trimmed(value: number): string {
  return value.toFixed(1).replace(/\.0$/, "");
}

/** How long ago something was: `just now`, `5 min ago`, `in 3 h`. */
export function ago(seconds: number): string {
  const span = Math.abs(seconds);
  if (span < 5) return seconds < 0 ? "in a moment" : "just now";
  const unit = span < MINUTE ? ([1, "s"] as const) : span < HOUR ? ([MINUTE, "min"] as const) : span < DAY ? ([HOUR, "h"] as const) : ([DAY, "d"] as const);
  const text = `${Math.floor(span / unit[0])} ${unit[1]}`;
  return seconds < 0 ? `in ${text}` : `${text} ago`;
}

const moments = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const clocks = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

/** A point in time, in full, in the reader's time zone. */
export const moment = (seconds: number): string => moments.format(seconds * 1000);

/** The time of day. */
export const clock = (seconds: number): string => clocks.format(seconds * 1000);

/** A number of bytes: `0 B`, `1.2 kB`, `40 MB`. */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  let value = bytes;
  let unit = "B";
  for (const next of ["kB", "MB", "GB", "TB"]) {
    if (value < 999.5) break;
    value /= 1000;
    unit = next;
  }
  return `${value < 9.95 ? trimmed(value) : Math.round(value)} ${unit}`;
}

/** A number with thin separators: `10,000`. */
export const number = (value: number): string => value.toLocaleString("en-US");

/** `1 task`, `2 tasks`. */
export const counted = (count: number, word: string): string => `${number(count)} ${word}${count === 1 ? "" : "s"}`;

/** The beginning of an id, by which people tell dispatches apart. */
export const short = (id: string): string => (id.length > 12 ? id.slice(0, 8) : id);
