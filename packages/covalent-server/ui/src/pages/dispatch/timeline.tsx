/** When tasks ran: a row each, in the order in which they began. */

import { useEffect, useMemo } from "preact/hooks";

import { letterAt, nameAt, statusOf } from "../../api/columns";
import { Empty, Loading, Trouble } from "../../parts/notices";
import { narrow } from "../../parts/screen";
import { toneOf, wordOf } from "../../parts/status";
import { now } from "../../parts/times";
import { useWindow } from "../../parts/window";
import { to } from "../../routes";
import { duration } from "../../text/format";
import { type DispatchModel } from "./model";
import { type Timeline } from "./times";

const ROW = 28;
const HEAD = 30;

/** Round steps for the scale, in milliseconds. */
const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 216e5, 432e5, 864e5];

/** The step that gives at most so many marks. */
function stepFor(span: number, most: number): number {
  return STEPS.find((step) => span / step <= most) ?? Math.ceil(span / most / 864e5) * 864e5;
}

interface Props {
  readonly model: DispatchModel;
  readonly times: Timeline;
  readonly node: number | undefined;
}

export function TimelineTab({ model, times, node }: Props) {
  const columns = model.graph.value.value;
  const error = times.answer.error.value;
  useEffect(() => times.begin(), [times]);
  const version = times.version.value;
  const rows = useMemo(() => {
    const begun = Array.from(times.started.keys()).filter((position) => !Number.isNaN(times.started[position]!));
    return begun.sort((a, b) => times.started[a]! - times.started[b]! || a - b);
  }, [version]);
  const { element, first, last } = useWindow(rows.length, ROW, HEAD);
  model.version.value;

  const running = rows.some((position) => Number.isNaN(times.ended[position]!));
  const present = running ? (now.value - times.origin) * 1000 : 0;
  const begin = rows.length > 0 ? times.started[rows[0]!]! : 0;
  const end = Math.max(begin + 1, present, lastEnd(rows, times));
  const span = (end - begin) * 1.02;
  const step = stepFor(span, narrow.value ? 3 : 7);
  const share = (time: number): string => `${((time - begin) / span) * 100}%`;

  let body;
  if (columns === undefined || version === 0) {
    body = error === undefined ? <Loading lines={6} /> : <Trouble error={error} again={() => void times.answer.load()} />;
  } else if (rows.length === 0) {
    body = <Empty title="Nothing has run yet" icon="trigger">Tasks appear here when they begin.</Empty>;
  } else {
    body = (
      <ol class="timeline-rows" style={{ height: `${rows.length * ROW}px` }} aria-label="Tasks in the order in which they began">
        {rows.slice(first, last).map((position, index) => {
          const until = Number.isNaN(times.ended[position]!) ? Math.max(present, times.started[position]!) : times.ended[position]!;
          const status = statusOf(letterAt(model.states, position));
          const id = columns.ids[position]!;
          const took = duration((until - times.started[position]!) / 1000);
          return (
            <li key={position} class="timeline-row" style={{ transform: `translateY(${(first + index) * ROW}px)` }}>
              <a class={id === node ? "timeline-name timeline-chosen" : "timeline-name"} href={to(["dispatches", model.id, "timeline", id])}>
                <span class="cut">{nameAt(columns, position)}</span>
                <span class="muted figures">{id}</span>
              </a>
              <span class="timeline-track">
                <span
                  class={`timeline-bar tone-${toneOf(status)}`}
                  style={{ left: share(times.started[position]!), width: `${((until - times.started[position]!) / span) * 100}%` }}
                  title={`${wordOf(status)}, ${took}`}
                />
                <span class="unseen">{`${wordOf(status)}, ${took}`}</span>
              </span>
            </li>
          );
        })}
      </ol>
    );
  }
  return (
    <div class="timeline" ref={element} tabIndex={0} role="region" aria-label="Timeline">
      <div class="timeline-head" aria-hidden="true">
        <span />
        <span class="timeline-scale">
          {Array.from({ length: Math.floor(span / step) + 1 }, (_, index) => (
            <span key={index} class="timeline-tick" style={{ left: share(begin + index * step) }}>
              {index === 0 ? "0" : duration((index * step) / 1000)}
            </span>
          ))}
        </span>
      </div>
      {body}
    </div>
  );
}

function lastEnd(rows: readonly number[], times: Timeline): number {
  return rows.reduce((last, position) => Math.max(last, times.ended[position]! || 0), 0);
}
