/** Times that stay true while one looks at them. */

import { signal } from "@preact/signals";

import { ago, duration, moment } from "../text/format";

/** Seconds since the epoch, told once a second while the page is seen. */
export const now = signal(Date.now() / 1000);

setInterval(() => {
  if (!document.hidden) now.value = Date.now() / 1000;
}, 1000);

type Maybe = number | null | undefined;

/** How long ago; in full when one points at it. */
export function Ago({ at }: { readonly at: Maybe }) {
  if (at === null || at === undefined) return <span class="muted">–</span>;
  return (
    <time dateTime={new Date(at * 1000).toISOString()} title={moment(at)}>
      {ago(Math.max(now.value, 0) - at)}
    </time>
  );
}

/** From a beginning to an end, or to now. */
export function Span({ from, until }: { readonly from: Maybe; readonly until: Maybe }) {
  if (from === null || from === undefined) return <span class="muted">–</span>;
  return <span class="figures">{duration((until ?? Math.max(now.value, from)) - from)}</span>;
}
