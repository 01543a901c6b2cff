/** One task beside everything else: why it waits, what it printed, what went wrong, what it took and gave. */

import { useEffect, useRef } from "preact/hooks";

import { get } from "../../api/client";
import { listen } from "../../api/live";
import { type Neighbour, type NodeDetail, type Waiting } from "../../api/records";
import { useResource } from "../../api/resource";
import { Copy } from "../../parts/actions";
import { Icon } from "../../parts/icons";
import { LogView } from "../../parts/logview";
import { Fact, Loading, Trouble } from "../../parts/notices";
import { Preview, Source } from "../../parts/preview";
import { StatusBadge, StatusMark, ended, wordOf } from "../../parts/status";
import { Ago, Span } from "../../parts/times";
import { TracebackView } from "../../parts/traceback";
import { go, to } from "../../routes";
import { clock, counted, duration, moment } from "../../text/format";
import { shown } from "../../text/templates";
import { CancelTask } from "./actions";
import { useNodeEvents } from "./events";
import { type DispatchModel } from "./model";

interface Props {
  readonly model: DispatchModel;
  readonly node: number;
  readonly tab: string;
}

export function TaskDrawer({ model, node, tab }: Props) {
  const found = useResource((cancelled) => get<NodeDetail>(`${model.path}/nodes/${node}/detail`, {}, cancelled), [model, node]);
  useNodeEvents(model, () => found.loadSoon(250), node);
  useEffect(() => listen({ missed: () => found.loadSoon(0) }), [found]);
  const title = useRef<HTMLHeadingElement>(null);
  const cameFrom = useRef<Element | null>(null);

  const close = (): void => {
    go(to(["dispatches", model.id, tab]) + location.search);
    const before = cameFrom.current;
    requestAnimationFrame(() => {
      const target = before instanceof HTMLElement && before.isConnected && before !== document.body ? before : document.querySelector("main");
      (target as HTMLElement | null)?.focus();
    });
  };
  useEffect(() => {
    cameFrom.current = document.activeElement;
  }, []);
  useEffect(() => {
    title.current?.focus();
  }, [node]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === "Escape" && !event.defaultPrevented && document.querySelector("dialog[open]") === null) close();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  });

  const detail = found.value.value;
  return (
    <aside class="drawer" aria-labelledby="task-title">
      <header class="drawer-head">
        <div class="drawer-title">
          <h2 id="task-title" ref={title} tabIndex={-1}>
            <span class="break">{detail?.node.node_name ?? `Task ${node}`}</span>
            <span class="muted"> ({node})</span>
          </h2>
          {detail !== undefined && <StatusBadge status={detail.node.status} />}
        </div>
        <button type="button" class="icon-button" aria-label="Close the task" title="Close (Escape)" onClick={close}>
          <Icon name="close" />
        </button>
      </header>
      <div class="drawer-body" tabIndex={0} role="region" aria-label={`Task ${node}`}>
        {detail === undefined ? (
          found.error.value === undefined ? (
            <Loading lines={6} />
          ) : (
            <Trouble error={found.error.value} again={() => void found.load()} />
          )
        ) : (
          <Task model={model} detail={detail} tab={tab} />
        )}
      </div>
    </aside>
  );
}

interface TaskProps {
  readonly model: DispatchModel;
  readonly detail: NodeDetail;
  readonly tab: string;
}

function Task({ model, detail, tab }: TaskProps) {
  const { node } = detail;
  const waits = detail.why && !ended(node.status) && detail.why.code !== "running" ? detail.why : undefined;
  const streams = (["stdout", "stderr"] as const).filter(
    (stream) => node.status === "RUNNING" || (node.printed ?? []).includes(stream),
  );
  return (
    <>
      <dl class="facts facts-row">
        <Fact name="Took"><Span from={node.started_at} until={node.ended_at} /></Fact>
        <Fact name="Began"><Ago at={node.started_at} /></Fact>
        <Fact name="Attempt">{node.attempt || "–"}{detail.retries ? <span class="muted"> of {detail.retries + 1}</span> : null}</Fact>
        <Fact name="Executor">{detail.executor}</Fact>
      </dl>
      {!ended(node.status) && <CancelTask model={model} node={node.node_id} />}
      {waits !== undefined && <Why model={model} why={waits} tab={tab} />}
      {node.child && (
        <a class="callout callout-link tone-preparing" href={to(["dispatches", node.child])}>
          <Icon name="out" />
          <p>Its sublattice is a dispatch of its own. <span class="link">Open it</span></p>
        </a>
      )}
      {node.error && (
        <section class="block" aria-labelledby="task-error">
          <div class="block-head">
            <h3 id="task-error">{node.status === "FAILED" ? "Error" : "Last error"}</h3>
            <Copy text={node.error} label="Copy the traceback" />
          </div>
          <TracebackView text={node.error} />
          {node.workdir && <p class="muted break">Its working directory is still there: <code>{node.workdir}</code></p>}
        </section>
      )}
      {node.output && (
        <section class="block" aria-labelledby="task-output">
          <h3 id="task-output">Output</h3>
          <Preview asset={node.output} name="the output" />
        </section>
      )}
      {streams.map((stream) => (
        <section key={stream} class="block" aria-labelledby={`task-${stream}`}>
          <h3 id={`task-${stream}`}>{stream}</h3>
          <LogView key={`${node.node_id} ${node.attempt}`} path={`${model.path}/nodes/${node.node_id}/${stream}`} label={stream} />
        </section>
      ))}
      <Inputs model={model} detail={detail} />
      <Neighbours model={model} title="Takes values from" neighbours={detail.parents ?? []} count={detail.parent_count ?? 0} tab={tab} />
      <Neighbours model={model} title="Gives its value to" neighbours={detail.children ?? []} count={detail.child_count ?? 0} tab={tab} />
      <Attempts detail={detail} />
      {detail.code?.source && (
        <section class="block" aria-labelledby="task-code">
          <h3 id="task-code">Code</h3>
          <Source text={detail.code.source} label="Source of the task's function" />
        </section>
      )}
      <Surroundings detail={detail} />
    </>
  );
}

function Why({ model, why, tab }: { readonly model: DispatchModel; readonly why: Waiting; readonly tab: string }) {
  return (
    <section class="callout tone-waiting" aria-label="Why it is not running">
      <Icon name="trigger" />
      <div>
        <p><strong>Not running:</strong> {why.message}.</p>
        {why.due_at && <p class="muted">Next at {clock(why.due_at)}.</p>}
        {why.nodes && why.nodes.length > 0 && (
          <ul class="links">
            {why.nodes.map((each) => (
              <li key={each}><a href={to(["dispatches", model.id, tab, each])}>{model.nameOf(each)}</a></li>
            ))}
          </ul>
        )}
      </div>
    </section>
  );
}

function Inputs({ model, detail }: Omit<TaskProps, "tab">) {
  const inputs = detail.inputs ?? [];
  if (inputs.length === 0) return null;
  return (
    <section class="block" aria-labelledby="task-inputs">
      <h3 id="task-inputs">Inputs</h3>
      <dl class="inputs">
        {inputs.map((input) => (
          <div key={input.name} class="input">
            <dt><code>{input.name}</code></dt>
            <dd><code class="break">{shown(input.template, input.assets ?? [], (node) => model.nameOf(node))}</code></dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

interface NeighboursProps {
  readonly model: DispatchModel;
  readonly title: string;
  readonly neighbours: readonly Neighbour[];
  readonly count: number;
  readonly tab: string;
}

const SHOWN = 12;

function Neighbours({ model, title, neighbours, count, tab }: NeighboursProps) {
  if (neighbours.length === 0) return null;
  const rest = Math.max(count, neighbours.length) - Math.min(SHOWN, neighbours.length);
  return (
    <section class="block" aria-label={title}>
      <h3>{title}</h3>
      <ul class="neighbours">
        {neighbours.slice(0, SHOWN).map((each) => (
          <li key={each.node_id}>
            <a class="neighbour" href={to(["dispatches", model.id, tab, each.node_id])}>
              <StatusMark status={each.status} />
              <span class="unseen">{wordOf(each.status)}: </span>
              <span class="cut">{each.node_name}</span>
              <span class="muted figures">{each.node_id}</span>
            </a>
          </li>
        ))}
      </ul>
      {rest > 0 && <p class="muted">and {counted(rest, "other")}</p>}
    </section>
  );
}

function Attempts({ detail }: { readonly detail: NodeDetail }) {
  const attempts = detail.attempts ?? [];
  if (attempts.length < 2) return null;
  return (
    <section class="block" aria-labelledby="task-attempts">
      <h3 id="task-attempts">Attempts</h3>
      <ol class="attempts">
        {attempts.toReversed().map((each) => (
          <li key={each.attempt} class="attempt">
            <span class="figures">{each.attempt}</span>
            <span>{each.state.toLowerCase().replaceAll("_", " ")}</span>
            <span class="muted">
              {each.began_at ? <time title={moment(each.began_at)}>{clock(each.began_at)}</time> : "did not begin"}
              {each.began_at && each.ended_at ? `, ${duration(each.ended_at - each.began_at)}` : ""}
            </span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function Surroundings({ detail }: { readonly detail: NodeDetail }) {
  const { node, worker, place, executor_data: data, timeout, tags } = detail;
  const resolved = node.environment?.resolved ?? [];
  const attributes = Object.entries(data ?? {}).filter(([, value]) => value !== null && value !== "" && value !== false);
  return (
    <section class="block" aria-labelledby="task-surroundings">
      <h3 id="task-surroundings">Where it runs</h3>
      <dl class="facts">
        {place && <Fact name="Interpreter"><code class="break">{place}</code></Fact>}
        {worker && <Fact name="Worker"><code class="break">{worker.id}</code>{worker.host ? ` on ${worker.host}` : ""}{worker.pid ? `, process ${worker.pid}` : ""}</Fact>}
        {timeout ? <Fact name="Timeout">{duration(timeout)}</Fact> : null}
        {tags && tags.length > 0 && <Fact name="Tags">{tags.join(", ")}</Fact>}
        {attributes.map(([key, value]) => (
          <Fact key={key} name={key}><code class="break">{typeof value === "string" ? value : JSON.stringify(value)}</code></Fact>
        ))}
        {resolved.length > 0 && <Fact name="Packages"><code class="break">{resolved.join(" ")}</code></Fact>}
        {node.environment?.warning && <Fact name="Warning">{node.environment.warning}</Fact>}
      </dl>
    </section>
  );
}
