/** The page of a dispatch: how it stands, and everything about it below a row of tabs. */

import { useEffect, useMemo, useRef } from "preact/hooks";

import { type DispatchRecord } from "../../api/records";
import { Copy } from "../../parts/actions";
import { Icon } from "../../parts/icons";
import { Loading, Trouble } from "../../parts/notices";
import { Progress, StatusBadge, ended, progressText } from "../../parts/status";
import { Ago, Span } from "../../parts/times";
import { useTitle } from "../../parts/title";
import { place, to } from "../../routes";
import { short } from "../../text/format";
import { essence } from "../../text/python";
import { NotFound } from "../notfound";
import { DispatchActions } from "./actions";
import { EventsTab } from "./events";
import { GraphTab } from "./graph";
import { LogsTab } from "./logs";
import { DispatchModel } from "./model";
import { TaskDrawer } from "./task";
import { TasksTab } from "./tasks";
import { TimelineTab } from "./timeline";
import { Timeline } from "./times";
import { CodeTab, ValuesTab } from "./values";

const TABS = [
  ["graph", "Graph"],
  ["tasks", "Tasks"],
  ["timeline", "Timeline"],
  ["logs", "Logs"],
  ["values", "Inputs and result"],
  ["code", "Code"],
  ["events", "Events"],
] as const;

/** Below which tabs a task is shown beside, and not as part of the tab itself. */
const WITH_DRAWER: ReadonlySet<string> = new Set(["graph", "tasks", "timeline"]);

export function DispatchPage({ id }: { readonly id: string }) {
  const model = useMemo(() => new DispatchModel(id), [id]);
  const times = useMemo(() => new Timeline(model), [model]);
  useEffect(() => {
    model.begin();
    return () => model.end();
  }, [model]);
  const record = model.record.value;
  const error = model.detail.error.value;
  useTitle(record === undefined ? "Dispatch" : `${record.name} · ${short(id)}`);
  const tab = place.value.path[2] ?? "graph";
  const asked = Number(place.value.path[3] ?? Number.NaN);
  const node = Number.isInteger(asked) ? asked : undefined;

  if (error?.status === 404) return <NotFound what="dispatch" />;
  if (!TABS.some(([name]) => name === tab)) return <NotFound what="page" />;
  if (record === undefined) return error === undefined ? <Loading lines={8} /> : <Trouble error={error} again={() => void model.detail.load()} />;
  return (
    <article class="page dispatch">
      <Head model={model} record={record} />
      <Tabs id={id} tab={tab} />
      <div class="tab-body">
        {tab === "graph" && <GraphTab model={model} node={node} />}
        {tab === "tasks" && <TasksTab model={model} times={times} node={node} />}
        {tab === "timeline" && <TimelineTab model={model} times={times} node={node} />}
        {tab === "logs" && <LogsTab model={model} node={node} />}
        {tab === "values" && <ValuesTab model={model} />}
        {tab === "code" && <CodeTab model={model} />}
        {tab === "events" && <EventsTab model={model} />}
      </div>
      {node !== undefined && WITH_DRAWER.has(tab) && <TaskDrawer model={model} node={node} tab={tab} />}
    </article>
  );
}

function Tabs({ id, tab }: { readonly id: string; readonly tab: string }) {
  const row = useRef<HTMLElement>(null);
  useEffect(() => {
    const current = row.current?.querySelector<HTMLElement>("[aria-current]");
    if (row.current !== null && current) row.current.scrollLeft = current.offsetLeft - (row.current.clientWidth - current.offsetWidth) / 2;
  }, [tab]);
  return (
    <nav class="tabs" ref={row} aria-label="About this dispatch">
      {TABS.map(([name, word]) => (
        <a key={name} class="tab" href={to(["dispatches", id, name])} aria-current={name === tab ? "page" : undefined}>
          {word}
        </a>
      ))}
    </nav>
  );
}

function Head({ model, record }: { readonly model: DispatchModel; readonly record: DispatchRecord }) {
  const counts = model.counts.value;
  return (
    <header class="dispatch-head">
      <nav class="crumbs" aria-label="Where this is">
        <a href={to(["dispatches"])}>Dispatches</a>
        {record.parent && (
          <>
            <Icon name="right" />
            <a href={to(record.parent_node == null ? ["dispatches", record.parent] : ["dispatches", record.parent, "graph", record.parent_node])}>
              {short(record.parent)}
            </a>
          </>
        )}
        <Icon name="right" />
        <span class="crumb-here">
          <code title={record.dispatch_id}>{short(record.dispatch_id)}</code>
          <Copy text={record.dispatch_id} label="Copy the dispatch's id" />
        </span>
      </nav>
      <div class="dispatch-title">
        <h1 class="break" tabIndex={-1}>{record.name}</h1>
        <StatusBadge status={record.status} />
        <DispatchActions model={model} record={record} />
      </div>
      <div class="dispatch-facts">
        <span class="dispatch-progress">
          <Progress counts={counts} />
          <span>{progressText(counts)}</span>
        </span>
        <span><span class="muted">Dispatched</span> <Ago at={record.created_at} /></span>
        <span><span class="muted">{ended(record.status) ? "Took" : "For"}</span> <Span from={record.started_at} until={record.ended_at} /></span>
        {record.redispatch_of && (
          <span><span class="muted">Repeats</span> <a href={to(["dispatches", record.redispatch_of])}>{short(record.redispatch_of)}</a></span>
        )}
        {(record.tags ?? []).map((tag) => (
          <a key={tag} class="chip" href={to(["dispatches"], { tag })}>{tag}</a>
        ))}
      </div>
      {record.error && <Failure model={model} error={record.error} />}
    </header>
  );
}

function Failure({ model, error }: { readonly model: DispatchModel; readonly error: string }) {
  const failed = model.first("F", 4);
  return (
    <div class="callout tone-failed">
      <Icon name="warning" />
      <div>
        <p class="break">{essence(error).slice(0, 400)}</p>
        {failed.length > 0 && (
          <ul class="links">
            {failed.map((node) => (
              <li key={node}>
                <a href={to(["dispatches", model.id, "graph", node])}>Traceback of {model.nameOf(node)}</a>
              </li>
            ))}
          </ul>
        )}
      </div>
    </div>
  );
}
