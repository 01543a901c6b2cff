/** The first page: what runs, what went wrong, what waits and for what, and how the server is. */

import { useEffect } from "preact/hooks";

import { get } from "../api/client";
import { listen, watch } from "../api/live";
import { type DispatchRecord, type Status, type Summary } from "../api/records";
import { useResource } from "../api/resource";
import { Copy } from "../parts/actions";
import { Icon } from "../parts/icons";
import { Empty, Fact, Loading, Trouble } from "../parts/notices";
import { Progress, StatusMark, countsOf, progressText, toneOf, wordOf } from "../parts/status";
import { Ago, Span } from "../parts/times";
import { useTitle } from "../parts/title";
import { to } from "../routes";
import { counted, number, short } from "../text/format";
import { essence } from "../text/python";

const EXAMPLE = `import covalent as ct

@ct.electron
def greet(name):
    return f"Hello, {name}"

@ct.lattice
def hello(name):
    return greet(name)

ct.dispatch(hello)("world")
`;

const TILES: readonly Status[] = ["RUNNING", "NEW_OBJECT", "COMPLETED", "FAILED", "CANCELLED"];
/** What nobody has to do anything about: it runs, or waits for what does. */
const NO_REASON: ReadonlySet<string> = new Set(["running", "leased", "nodes", "sublattice"]);
/** Statuses that are counted with another. */
const WITH: Partial<Record<Status, readonly Status[]>> = {
  RUNNING: ["RUNNING", "DISPATCHING", "POSTPROCESSING", "PENDING_POSTPROCESSING"],
  NEW_OBJECT: ["NEW_OBJECT", "PENDING_REUSE", "PENDING_REPLACEMENT"],
  FAILED: ["FAILED", "FAILED_POSTPROCESSING"],
};

export function HomePage() {
  useTitle("Home");
  const summary = useResource((cancelled) => get<Summary>("summary", {}, cancelled), []);
  const found = summary.value.value;
  const running = found?.running.map((each) => each.dispatch_id).join() ?? "";
  useEffect(() => listen({ events: () => summary.loadSoon(1000), missed: () => summary.loadSoon(0) }), [summary]);
  useEffect(() => watch(running === "" ? [] : running.split(",")), [running]);

  if (found === undefined) {
    const error = summary.error.value;
    return (
      <div class="page">
        <h1>Home</h1>
        {error === undefined ? <Loading lines={8} /> : <Trouble error={error} again={() => void summary.load()} />}
      </div>
    );
  }
  const waiting = found.waiting.filter((reason) => !NO_REASON.has(reason.code));
  const total = Object.values(found.counts).reduce((sum, count) => sum + count, 0);
  return (
    <div class="page">
      <header class="page-head">
        <h1>Home</h1>
      </header>
      <ul class="tiles" aria-label="Dispatches by status">
        {TILES.map((status) => (
          <Tile key={status} status={status} counts={found.counts} />
        ))}
      </ul>
      {total === 0 && <Welcome />}
      <div class="home">
        <div class="stack">
          {total > 0 && (
            <section class="panel" aria-labelledby="running">
              <h2 id="running">At work</h2>
              {found.running.length === 0 ? (
                <p class="quiet">Nothing runs at the moment.</p>
              ) : (
                <ul class="rows">
                  {found.running.map((record) => (
                    <Running key={record.dispatch_id} record={record} />
                  ))}
                </ul>
              )}
            </section>
          )}
          {total > 0 && (
            <section class="panel" aria-labelledby="failed">
              <div class="panel-head">
                <h2 id="failed">Failed lately</h2>
                {found.failed.length > 0 && <a href={to(["dispatches"], { status: "FAILED" })}>All that failed</a>}
              </div>
              {found.failed.length === 0 ? (
                <p class="quiet">No dispatch has failed.</p>
              ) : (
                <ul class="rows">
                  {found.failed.slice(0, 8).map((record) => (
                    <Failed key={record.dispatch_id} record={record} />
                  ))}
                </ul>
              )}
            </section>
          )}
        </div>
        <div class="stack">
          {total > 0 && (
            <section class="panel" aria-labelledby="waiting">
              <h2 id="waiting">What tasks wait for</h2>
              {waiting.length === 0 ? (
                <p class="quiet">No task waits for anything but the tasks before it.</p>
              ) : (
                <ul class="rows">
                  {waiting.map((reason) => (
                    <li key={reason.code}>
                      <a class="row row-reason" href={to(["dispatches", reason.dispatch_id, "graph", reason.node_id])}>
                        <strong class="figures">{number(reason.count)}</strong>
                        <span>{reason.message}</span>
                      </a>
                    </li>
                  ))}
                </ul>
              )}
            </section>
          )}
          <Health summary={found} />
        </div>
      </div>
    </div>
  );
}

function Tile({ status, counts }: { readonly status: Status; readonly counts: Summary["counts"] }) {
  const which = WITH[status] ?? [status];
  const count = which.reduce((sum, each) => sum + (counts[each] ?? 0), 0);
  return (
    <li>
      <a class={count > 0 ? `tile tone-${toneOf(status)}` : "tile tile-none"} href={to(["dispatches"], { status: which })}>
        <span class="tile-word">
          <StatusMark status={status} />
          {wordOf(status)}
        </span>
        <span class="tile-count">{number(count)}</span>
      </a>
    </li>
  );
}

function Running({ record }: { readonly record: DispatchRecord }) {
  const counts = countsOf(record.node_counts);
  return (
    <li>
      <a class="row row-running" href={to(["dispatches", record.dispatch_id])}>
        <span class="row-main">
          <StatusMark status={record.status} />
          <span class="cut name">{record.name}</span>
          <code class="muted">{short(record.dispatch_id)}</code>
        </span>
        <span class="row-end"><Span from={record.started_at ?? record.created_at} until={record.ended_at} /></span>
        <Progress counts={counts} small />
        <span class="row-note muted">{progressText(counts)}</span>
      </a>
    </li>
  );
}

function Failed({ record }: { readonly record: DispatchRecord }) {
  return (
    <li>
      <a class="row" href={to(["dispatches", record.dispatch_id])}>
        <span class="row-main">
          <StatusMark status={record.status} />
          <span class="cut name">{record.name}</span>
          <code class="muted">{short(record.dispatch_id)}</code>
        </span>
        <span class="row-end muted"><Ago at={record.ended_at} /></span>
        <span class="row-note cut">{essence(record.error ?? "") || wordOf(record.status)}</span>
      </a>
    </li>
  );
}

function Health({ summary: { server, workers } }: { readonly summary: Summary }) {
  const guarded = server.guard === "armed" && !server.refusals;
  return (
    <section class="panel" aria-labelledby="server">
      <h2 id="server">Server</h2>
      <dl class="facts">
        <Fact name="Running for"><Span from={server.started_at} until={undefined} /></Fact>
        <Fact name="Workers"><a href={to(["workers"])}>{workers === 0 ? "none at the moment" : number(workers)}</a></Fact>
        <Fact name="Guard">
          <span class={guarded ? "status tone-completed" : "status tone-failed"}>
            <Icon name={guarded ? "check" : "warning"} />
            {guarded ? "Armed: nothing is unpickled" : server.refusals ? `Refused ${counted(server.refusals, "attempt")} to unpickle` : server.guard}
          </span>
        </Fact>
        <Fact name="Version">{server.version}</Fact>
      </dl>
    </section>
  );
}

function Welcome() {
  return (
    <section class="panel welcome" aria-labelledby="welcome">
      <Empty title="Nothing has been dispatched yet" icon="python">
        <p id="welcome">Run this where <code>covalent-sdk</code> is installed. The dispatch appears here by itself.</p>
      </Empty>
      <div class="welcome-code">
        <pre class="source" tabIndex={0} aria-label="A first workflow"><code>{EXAMPLE}</code></pre>
        <Copy text={EXAMPLE} label="Copy the workflow" />
      </div>
    </section>
  );
}
