/** The tasks of a dispatch as a table; which of them is part of the address. */

import { useEffect, useMemo } from "preact/hooks";

import { type Columns, type Letter, STATES, letterAt, nameAt, statusOf } from "../../api/columns";
import { type Status } from "../../api/records";
import { Field, Choice } from "../../parts/fields";
import { Grid } from "../../parts/grid";
import { Empty, Loading, Trouble } from "../../parts/notices";
import { STATUSES, StatusText, wordOf } from "../../parts/status";
import { now } from "../../parts/times";
import { go, place, to, withQuery } from "../../routes";
import { counted, duration } from "../../text/format";
import { type DispatchModel } from "./model";
import { type Timeline } from "./times";

/** What the page says of states that users do not know by their status. */
const MORE: Partial<Record<Letter, string>> = {
  Y: "ready for a worker",
  L: "with a worker",
  D: "tried again soon",
  B: "never starts",
  S: "its sublattice runs",
  P: "its environment is built",
  T: "left to the client",
};

interface Props {
  readonly model: DispatchModel;
  readonly times: Timeline;
  readonly node: number | undefined;
}

export function TasksTab({ model, times, node }: Props) {
  const columns = model.graph.value.value;
  const error = model.graph.error.value;
  const text = place.value.query.get("text") ?? "";
  const wanted = place.value.query.getAll("status");
  useEffect(() => times.begin(), [times]);
  const rows = useMemo(
    () => (columns === undefined ? [] : chosen(model, columns, text, wanted)),
    // A status may come or go with every event, so that what is chosen by status is chosen anew.
    [columns, text, wanted.join(), wanted.length > 0 ? model.version.value : 0],
  );
  model.version.value;
  times.version.value;
  if (columns === undefined) return error === undefined ? <Loading lines={6} /> : <Trouble error={error} again={() => void model.graph.load()} />;

  const present = STATUSES.filter((status) => model.counts.value.has(status) || wanted.includes(status));
  return (
    <div class="stack fill">
      <div class="filters">
        <Field label="Find tasks" kind="search" value={text} onChange={(value) => go(withQuery({ text: value || null }), true)} />
        <Choice
          label="Status"
          value={wanted[0] ?? ""}
          options={[["", "Any status"], ...present.map((status) => [status, wordOf(status)] as const)]}
          onChange={(value) => go(withQuery({ status: value || null }), true)}
        />
        <p class="filters-count" role="status">
          {rows.length === columns.count ? counted(rows.length, "task") : `${rows.length.toLocaleString("en-US")} of ${counted(columns.count, "task")}`}
        </p>
      </div>
      {rows.length === 0 ? (
        <Empty title="No such tasks" icon="search">
          None of the {counted(columns.count, "task")} is like that.
        </Empty>
      ) : (
        <Grid<number>
          label="Tasks"
          rows={rows}
          keyOf={(position) => String(columns.ids[position]!)}
          textOf={(position) => nameAt(columns, position)}
          selected={node === undefined ? undefined : String(node)}
          onOpen={(position) => go(to(["dispatches", model.id, "tasks", columns.ids[position]!]) + location.search)}
          columns={[
            { title: "No.", width: "4rem", wideOnly: true, end: true, cell: (position) => <span class="muted figures">{columns.ids[position]!}</span> },
            {
              title: "Task",
              width: "minmax(10rem, 2fr)",
              cell: (position) => (
                <a class="cut name" tabIndex={-1} href={to(["dispatches", model.id, "tasks", columns.ids[position]!]) + location.search}>
                  {nameAt(columns, position)}
                  {columns.kinds[columns.kind[position]!] !== "task" && <span class="chip">{columns.kinds[columns.kind[position]!]}</span>}
                </a>
              ),
            },
            { title: "Status", width: "minmax(8rem, 1fr)", cell: (position) => <StatusText status={statusOf(letterAt(model.states, position))} /> },
            {
              title: "More",
              width: "minmax(8rem, 1.2fr)",
              wideOnly: true,
              cell: (position) => <span class="muted cut">{MORE[letterAt(model.states, position)] ?? ""}</span>,
            },
            { title: "Took", width: "6.5rem", wideOnly: true, end: true, cell: (position) => <Took times={times} position={position} /> },
          ]}
        />
      )}
    </div>
  );
}

function Took({ times, position }: { readonly times: Timeline; readonly position: number }) {
  const from = times.started[position];
  if (from === undefined || Number.isNaN(from)) return <span class="muted">–</span>;
  const until = times.ended[position]!;
  const end = Number.isNaN(until) ? Math.max(from, (now.value - times.origin) * 1000) : until;
  return <span class="figures">{duration((end - from) / 1000)}</span>;
}

function chosen(model: DispatchModel, columns: Columns, text: string, wanted: readonly string[]): number[] {
  const part = text.toLowerCase();
  const found: number[] = [];
  for (let position = 0; position < columns.count; position++) {
    const letter = letterAt(model.states, position);
    const fits: Status | string = statusOf(letter);
    if (wanted.length > 0 && !wanted.includes(fits) && !wanted.includes(STATES[letter])) continue;
    if (part !== "" && !nameAt(columns, position).toLowerCase().includes(part) && String(columns.ids[position]!) !== part) continue;
    found.push(position);
  }
  return found;
}
