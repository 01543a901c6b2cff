/** Who runs tasks, what waits for whom, why nobody comes, and how many may run at a time. */

import { useEffect } from "preact/hooks";

import { get } from "../api/client";
import { listen } from "../api/live";
import { type LimitRecord, type PoolRecord, type Summary, type WorkerRecord } from "../api/records";
import { useResource } from "../api/resource";
import { Icon } from "../parts/icons";
import { Empty, Fact, Loading, Trouble } from "../parts/notices";
import { Ago, Span } from "../parts/times";
import { useTitle } from "../parts/title";
import { counted, number } from "../text/format";

/** Nodes' states in the order in which they come, and what they are called here. */
const STATES: readonly (readonly [string, string])[] = [
  ["WAITING", "Wait for other tasks"],
  ["READY", "Wait for a worker"],
  ["LEASED", "Are with a worker"],
  ["PREPARING", "Have their environment built"],
  ["RUNNING", "Run"],
  ["DISPATCHING", "Are sublattices at work"],
  ["DELAYED", "Are tried again later"],
];
/** More waiting tasks of a pool are not counted. */
const COUNTED = 1000;

export function WorkersPage() {
  useTitle("Workers");
  const pools = useResource((cancelled) => get<{ readonly pools: readonly PoolRecord[] }>("pools", {}, cancelled), []);
  const summary = useResource((cancelled) => get<Summary>("summary", {}, cancelled), []);
  const limits = useResource((cancelled) => get<{ readonly limits: readonly LimitRecord[] }>("limits", {}, cancelled), []);
  useEffect(() => {
    const all = [pools, summary, limits];
    return listen({
      events: () => all.forEach((each) => each.loadSoon(1500)),
      missed: () => all.forEach((each) => each.loadSoon(0)),
    });
  }, [pools, summary, limits]);
  const found = pools.value.value?.pools;
  const error = pools.error.value;
  return (
    <div class="page">
      <header class="page-head">
        <h1>Workers</h1>
        {found !== undefined && <p class="page-count">{counted(found.flatMap((pool) => pool.workers ?? []).length, "worker")}</p>}
      </header>
      {found === undefined ? (
        error === undefined ? <Loading /> : <Trouble error={error} again={() => void pools.load()} />
      ) : found.length === 0 ? (
        <section class="panel" aria-label="Pools">
          <Empty title="No workers at the moment" icon="workers">
            The server starts local workers by itself when there are tasks for them, and ends them when there are none.
          </Empty>
        </section>
      ) : (
        <ul class="stack">
          {found.map((pool) => (
            <Pool key={pool.pool} pool={pool} />
          ))}
        </ul>
      )}
      <div class="panels">
        <Queue nodes={summary.value.value?.nodes ?? {}} />
        <Limits limits={limits.value.value?.limits} />
        <section class="panel" aria-labelledby="executors">
          <h2 id="executors">Executors</h2>
          <ul class="chips">
            {(summary.value.value?.server.executors ?? []).map((name) => (
              <li key={name} class="chip">{name}</li>
            ))}
          </ul>
          <p class="muted">What <code>executor=</code> may name on this server.</p>
        </section>
      </div>
    </div>
  );
}

function Pool({ pool }: { readonly pool: PoolRecord }) {
  const workers = pool.workers ?? [];
  const waiting = pool.waiting ?? 0;
  const starting = (pool.jobs ?? []).filter((job) => !job.worker);
  return (
    <li class="panel">
      <div class="panel-head">
        <h2>{pool.executor}</h2>
        <span class="muted">
          {waiting === 0 ? "no task waits here" : `${waiting > COUNTED ? "more than 1,000 tasks wait" : waiting === 1 ? "1 task waits" : `${number(waiting)} tasks wait`}`}
        </span>
      </div>
      {pool.place && <code class="break muted">{pool.place}</code>}
      {pool.error && (
        <div class="callout tone-failed">
          <Icon name="warning" />
          <div>
            <p class="break">{pool.error}</p>
            <p class="muted">The latest start of a worker failed <Ago at={pool.error_at} />.</p>
          </div>
        </div>
      )}
      {workers.length === 0 && starting.length === 0 && <p class="quiet">Nobody works here now.</p>}
      {(workers.length > 0 || starting.length > 0) && (
        <ul class="rows">
          {workers.map((worker) => (
            <Worker key={worker.worker} worker={worker} />
          ))}
          {starting.map((job) => (
            <li key={job.job}>
              <div class="row">
                <span class="row-main">
                  <span class="status tone-preparing"><Icon name="again" />{job.state.toLowerCase()}</span>
                  <code class="cut">{job.job}</code>
                  <span class="muted cut">{[job.place, job.host].filter(Boolean).join(" on ")}</span>
                </span>
                <span class="row-end muted"><Ago at={job.since} /></span>
              </div>
            </li>
          ))}
        </ul>
      )}
      {pool.provisioners && pool.provisioners.length > 0 && <p class="muted">Started from {pool.provisioners.join(", ")}</p>}
    </li>
  );
}

function Worker({ worker }: { readonly worker: WorkerRecord }) {
  const tasks = worker.tasks ?? 0;
  return (
    <li>
      <div class="row">
        <span class="row-main">
          {worker.silent_since ? (
            <span class="status tone-cancelled"><Icon name="cut" />Silent since <Ago at={worker.silent_since} /></span>
          ) : tasks > 0 ? (
            <span class="status tone-running"><Icon name="workers" />{counted(tasks, "task")}</span>
          ) : (
            <span class="status tone-waiting"><Icon name="workers" />Idle</span>
          )}
          <code class="cut" title={worker.worker}>{worker.worker.slice(0, 12)}</code>
          <span class="muted cut">{worker.host}, process {worker.pid}</span>
        </span>
        <span class="row-end muted">for <Span from={worker.started_at} until={undefined} /></span>
      </div>
    </li>
  );
}

function Queue({ nodes }: { readonly nodes: Summary["nodes"] }) {
  const present = STATES.filter(([state]) => (nodes[state] ?? 0) > 0);
  return (
    <section class="panel" aria-labelledby="queue">
      <h2 id="queue">Tasks of dispatches at work</h2>
      {present.length === 0 ? (
        <p class="quiet">None.</p>
      ) : (
        <dl class="facts facts-figures">
          {present.map(([state, words]) => (
            <Fact key={state} name={words}>{number(nodes[state]!)}</Fact>
          ))}
        </dl>
      )}
    </section>
  );
}

function Limits({ limits }: { readonly limits: readonly LimitRecord[] | undefined }) {
  return (
    <section class="panel" aria-labelledby="limits">
      <h2 id="limits">Limits</h2>
      {limits === undefined || limits.length === 0 ? (
        <p class="muted">None. <code>covalent limit set NAME SLOTS</code> lets only so many tasks with a tag run at a time.</p>
      ) : (
        <ul class="rows">
          {limits.map((limit) => (
            <li key={`${limit.kind} ${limit.name}`}>
              <div class="row row-limit">
                <span class="cut name">{limit.name}</span>
                <span class="muted">{limit.kind}</span>
                <span class="figures row-end">{number(limit.held ?? 0)} of {number(limit.slots)}</span>
                <meter min={0} max={Math.max(1, limit.slots)} value={Math.min(limit.slots, limit.held ?? 0)} aria-label={`${limit.name}: slots in use`} />
              </div>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
