/** What starts workflows by itself. */

import { useEffect, useState } from "preact/hooks";

import { change, get } from "../api/client";
import { listen } from "../api/live";
import { type TriggerRecord } from "../api/records";
import { useResource } from "../api/resource";
import { mayChange } from "../api/session";
import { Ask, attempt, tell } from "../parts/actions";
import { Icon } from "../parts/icons";
import { Empty, Fact, Loading, Trouble } from "../parts/notices";
import { Ago } from "../parts/times";
import { useTitle } from "../parts/title";
import { place, to, withQuery } from "../routes";
import { duration, short } from "../text/format";

interface Answer {
  readonly triggers: readonly TriggerRecord[];
}

export function TriggersPage() {
  useTitle("Triggers");
  const all = place.value.query.get("stopped") === "1";
  const found = useResource((cancelled) => get<Answer>("triggers", { stopped: all ? 1 : undefined }, cancelled), [all]);
  useEffect(() => listen({ events: () => found.loadSoon(1500), missed: () => found.loadSoon(0) }), [found]);
  const triggers = found.value.value?.triggers;
  return (
    <div class="page">
      <header class="page-head">
        <h1>Triggers</h1>
        <a class="link-button page-count" href={withQuery({ stopped: all ? null : "1" })}>{all ? "Hide those that were stopped" : "Show those that were stopped, too"}</a>
      </header>
      {triggers === undefined ? (
        found.error.value === undefined ? <Loading /> : <Trouble error={found.error.value} again={() => void found.load()} />
      ) : triggers.length === 0 ? (
        <Empty title="No triggers" icon="trigger">
          A lattice with <code>triggers=</code> is started by a clock, a timetable or a directory: <code>ct.triggers.CronTrigger("0 6 * * *")</code>.
        </Empty>
      ) : (
        <ul class="cards">
          {triggers.map((trigger) => (
            <Card key={trigger.trigger_id} trigger={trigger} onChange={() => void found.load()} />
          ))}
        </ul>
      )}
    </div>
  );
}

function kindOf({ trigger }: TriggerRecord): { title: string; detail: string } {
  if (trigger.clock) return { title: "Clock", detail: `every ${duration(trigger.clock.gap)}` };
  if (trigger.timetable) return { title: "Timetable", detail: `${trigger.timetable.expression} (${trigger.timetable.timezone || "UTC"})` };
  if (trigger.directory) return { title: "Directory", detail: `${trigger.directory.path}: ${trigger.directory.changes.join(", ")}` };
  return { title: "Trigger", detail: "of a kind that this page does not know" };
}

function Card({ trigger, onChange }: { readonly trigger: TriggerRecord; readonly onChange: () => void }) {
  const [asking, setAsking] = useState(false);
  const { title, detail } = kindOf(trigger);
  const stop = async (): Promise<void> => {
    await change("POST", "triggers/stop", { ids: [trigger.trigger_id] });
    tell("The trigger is stopped.");
    onChange();
  };
  return (
    <li class="panel">
      <div class="panel-head">
        <h2 class="cut"><a href={to(["dispatches", trigger.dispatch_id])}>{trigger.name}</a></h2>
        {trigger.stopped_at ? (
          <span class="status tone-cancelled"><Icon name="stop" />Stopped</span>
        ) : (
          <span class="status tone-running"><Icon name="trigger" />Active</span>
        )}
      </div>
      <dl class="facts">
        <Fact name={title}><code class="break">{detail}</code></Fact>
        <Fact name="Fired">{trigger.firings ? `${trigger.firings} ${trigger.firings === 1 ? "time" : "times"}` : "never"}{trigger.fired_at ? <span class="muted">, last <Ago at={trigger.fired_at} /></span> : null}</Fact>
        {trigger.last_dispatch_id && <Fact name="Last dispatch"><a href={to(["dispatches", trigger.last_dispatch_id])}>{short(trigger.last_dispatch_id)}</a></Fact>}
        {!trigger.stopped_at && <Fact name="Next">{trigger.due_at ? <Ago at={trigger.due_at} /> : "when something happens there"}</Fact>}
      </dl>
      {trigger.error && <p class="callout tone-failed"><Icon name="warning" /><span class="break">{trigger.error}</span></p>}
      {!trigger.stopped_at && mayChange() && (
        <button type="button" class="button button-small button-danger" onClick={() => setAsking(true)}>
          <Icon name="stop" />Stop
        </button>
      )}
      {asking && (
        <Ask question={`Stop the trigger of ${trigger.name}?`} yes="Stop it" onYes={() => void attempt(stop)} onClose={() => setAsking(false)}>
          <p>It fires no more. Dispatches that it has started go on.</p>
        </Ask>
      )}
    </li>
  );
}
