/** Who runs tasks, where tasks may run, and how many at a time. */

import { useEffect } from "preact/hooks";

import { get } from "../api/client";
import { listen } from "../api/live";
import { type LimitRecord, type Summary } from "../api/records";
import { useResource } from "../api/resource";
import { Empty, Fact, Loading, Trouble } from "../parts/notices";
import { useTitle } from "../parts/title";
import { number } from "../text/format";

/** Nodes' states in the order in which they come, and what they are called here. */
const STATES: readonly (readonly [string, string])[] = [
  ["WAITING", "wait for other tasks"],
  ["READY", "wait for a worker"],
  ["LEASED", "are with a worker"],
  ["PREPARING", "have their environment built"],
  ["RUNNING", "run"],
  ["DISPATCHING", "are sublattices at work"],
  ["DELAYED", "are tried again later"],
];

export function WorkersPage() {
  useTitle("Workers");
  const summary = useResource((cancelled) => get<Summary>("summary", {}, cancelled), []);
  const limits = useResource((cancelled) => get<{ readonly limits: readonly LimitRecord[] }>("limits", {}, cancelled), []);
  useEffect(
    () =>
      listen({
        events: () => {
          summary.loadSoon(1500);
          limits.loadSoon(3000);
        },
        missed: () => summary.loadSoon(0),
      }),
    [summary, limits],
  );
  const found = summary.value.value;
  const error = summary.error.value;
  return (
    <div class="page">
      <header class="page-head">
        <h1>Workers</h1>
      </header>
      {found === undefined ? (
        error === undefined ? <Loading /> : <Trouble error={error} again={() => void summary.load()} />
      ) : (
        <div class="panels">
          <section class="panel" aria-labelledby="at-hand">
            <h2 id="at-hand">At hand</h2>
            <p class="large figures">{number(found.workers)}</p>
            <p class="muted">
              {found.workers === 0
                ? "No worker runs. The server starts local ones by itself when there are tasks for them."
                : "Workers that the server has heard of lately. Local ones come and go with the tasks."}
            </p>
          </section>
          <section class="panel" aria-labelledby="queue">
            <h2 id="queue">Tasks of dispatches at work</h2>
            {STATES.every(([state]) => (found.nodes[state] ?? 0) === 0) ? (
              <p class="quiet">None.</p>
            ) : (
              <dl class="facts facts-figures">
                {STATES.filter(([state]) => (found.nodes[state] ?? 0) > 0).map(([state, words]) => (
                  <Fact key={state} name={words}>{number(found.nodes[state]!)}</Fact>
                ))}
              </dl>
            )}
          </section>
          <section class="panel" aria-labelledby="executors">
            <h2 id="executors">Executors</h2>
            <ul class="chips">
              {(found.server.executors ?? []).map((name) => (
                <li key={name} class="chip">{name}</li>
              ))}
            </ul>
            <p class="muted">What <code>executor=</code> may name on this server.</p>
          </section>
          <Limits limits={limits.value.value?.limits} />
        </div>
      )}
    </div>
  );
}

function Limits({ limits }: { readonly limits: readonly LimitRecord[] | undefined }) {
  return (
    <section class="panel" aria-labelledby="limits">
      <h2 id="limits">Limits</h2>
      {limits === undefined || limits.length === 0 ? (
        <Empty title="No limits" icon="workers">
          <code>covalent limit set NAME SLOTS</code> lets only so many tasks with a tag run at a time.
        </Empty>
      ) : (
        <ul class="rows">
          {limits.map((limit) => (
            <li key={`${limit.kind} ${limit.name}`} class="row row-limit">
              <span class="cut name">{limit.name}</span>
              <span class="muted">{limit.kind}</span>
              <span class="figures row-end">{number(limit.held ?? 0)} of {number(limit.slots)}</span>
              <meter min={0} max={limit.slots} value={Math.min(limit.slots, limit.held ?? 0)} aria-label={`${limit.name}: slots in use`} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
