/** A status is a shape, a word and a colour, so that it is told by any one of them. */

import { type Status } from "../api/records";

/** The colours that statuses share; the style sheet has each for both themes. */
export type Tone = "waiting" | "preparing" | "running" | "finishing" | "completed" | "failed" | "cancelled";

interface Face {
  readonly word: string;
  readonly tone: Tone;
}

const FACES: Record<Status, Face> = {
  NEW_OBJECT: { word: "Waiting", tone: "waiting" },
  PENDING_REUSE: { word: "Taking over", tone: "preparing" },
  PENDING_REPLACEMENT: { word: "Replacing", tone: "preparing" },
  DISPATCHING: { word: "Preparing", tone: "preparing" },
  RUNNING: { word: "Running", tone: "running" },
  PENDING_POSTPROCESSING: { word: "Left to client", tone: "finishing" },
  POSTPROCESSING: { word: "Putting together", tone: "finishing" },
  COMPLETED: { word: "Completed", tone: "completed" },
  FAILED: { word: "Failed", tone: "failed" },
  FAILED_POSTPROCESSING: { word: "Not put together", tone: "failed" },
  CANCELLED: { word: "Cancelled", tone: "cancelled" },
};

/** The order in which statuses are listed, and stand in bars: what is done first, what waits last. */
export const STATUSES: readonly Status[] = [
  "COMPLETED",
  "FAILED",
  "FAILED_POSTPROCESSING",
  "CANCELLED",
  "RUNNING",
  "POSTPROCESSING",
  "PENDING_POSTPROCESSING",
  "DISPATCHING",
  "PENDING_REPLACEMENT",
  "PENDING_REUSE",
  "NEW_OBJECT",
];

const ENDS: ReadonlySet<Status> = new Set(["COMPLETED", "FAILED", "FAILED_POSTPROCESSING", "CANCELLED"]);

export const wordOf = (status: Status): string => FACES[status].word;
export const toneOf = (status: Status): Tone => FACES[status].tone;
/** Whether nothing follows. */
export const ended = (status: Status): boolean => ENDS.has(status);

/** Outlines on a grid of sixteen: `ground` is filled with the status's colour, `mark` is drawn over or without it. */
export const SHAPES: Record<Tone, { readonly ground?: string; readonly mark: string; readonly dashed?: boolean }> = {
  waiting: { mark: "M13 8A5 5 0 1 1 3 8a5 5 0 0 1 10 0z" },
  preparing: { mark: "M13.2 8A5.2 5.2 0 1 1 2.8 8a5.2 5.2 0 0 1 10.4 0z", dashed: true },
  running: { mark: "M8 2.5A5.5 5.5 0 1 1 2.5 8M6.6 5.6 10.4 8l-3.8 2.4z" },
  finishing: { mark: "M3 3h10v10H3zM6 8h4" },
  completed: { ground: "M14.5 8A6.5 6.5 0 1 1 1.5 8a6.5 6.5 0 0 1 13 0z", mark: "M5 8.3 7.2 10.5 11.2 5.8" },
  failed: { ground: "M5.2 1.5h5.6l3.7 3.7v5.6l-3.7 3.7H5.2l-3.7-3.7V5.2z", mark: "M5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8" },
  cancelled: { mark: "M13.5 8A5.5 5.5 0 1 1 2.5 8a5.5 5.5 0 0 1 11 0zM4.2 11.8l7.6-7.6" },
};

/** The shape alone, in its colour; what it means has to stand beside it. */
export function StatusMark({ status }: { readonly status: Status }) {
  const tone = toneOf(status);
  const { ground, mark, dashed } = SHAPES[tone];
  return (
    <svg class={`mark tone-${tone}`} viewBox="0 0 16 16" aria-hidden="true">
      {ground !== undefined && <path class="mark-ground" d={ground} />}
      <path class={ground === undefined ? "mark-line" : "mark-over"} stroke-dasharray={dashed ? "2.6 2.1" : undefined} d={mark} />
    </svg>
  );
}

/** Shape and word in a row of text. */
export function StatusText({ status }: { readonly status: Status }) {
  return (
    <span class={`status tone-${toneOf(status)}`}>
      <StatusMark status={status} />
      {wordOf(status)}
    </span>
  );
}

/** Shape and word where they are what matters most. */
export function StatusBadge({ status }: { readonly status: Status }) {
  return (
    <span class={`badge tone-${toneOf(status)}`}>
      <StatusMark status={status} />
      {wordOf(status)}
    </span>
  );
}

export type Counts = ReadonlyMap<Status, number>;

/** The counts of a record, as a map. */
export function countsOf(counts: Readonly<Partial<Record<Status, number>>> | null | undefined): Counts {
  return new Map(Object.entries(counts ?? {}) as [Status, number][]);
}

/** How far something is, in words: `8 of 10 tasks, 1 failed`. */
export function progressText(counts: Counts): string {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  if (total === 0) return "No tasks";
  const done = counts.get("COMPLETED") ?? 0;
  const others = STATUSES.filter((status) => status !== "COMPLETED" && status !== "NEW_OBJECT" && (counts.get(status) ?? 0) > 0);
  const words = others.map((status) => `${counts.get(status)!.toLocaleString("en-US")} ${wordOf(status).toLowerCase()}`);
  const head = `${done.toLocaleString("en-US")} of ${total.toLocaleString("en-US")} ${total === 1 ? "task" : "tasks"}`;
  return [head, ...words].join(", ");
}

/** How far something is, as a bar with a piece for each status. */
export function Progress({ counts, small = false }: { readonly counts: Counts; readonly small?: boolean }) {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  return (
    <span class={small ? "progress progress-small" : "progress"} role="img" aria-label={progressText(counts)}>
      {STATUSES.map((status) => {
        const count = counts.get(status) ?? 0;
        if (count === 0 || status === "NEW_OBJECT") return null;
        return <span key={status} class={`progress-piece tone-${toneOf(status)}`} style={{ width: `${(count / total) * 100}%` }} />;
      })}
    </span>
  );
}
