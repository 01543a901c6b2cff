/** What can be done with a dispatch: ending it, running it again, getting it in Python. */

import { useState } from "preact/hooks";

import { change } from "../../api/client";
import { type DispatchRecord } from "../../api/records";
import { mayChange } from "../../api/session";
import { Ask, Copy, attempt, tell } from "../../parts/actions";
import { Icon } from "../../parts/icons";
import { ended } from "../../parts/status";
import { go, to } from "../../routes";
import { getResult } from "../../text/python";
import { type DispatchModel } from "./model";

/** Run it again; with `reuse`, tasks that are done are not run again. */
async function redispatch(id: string, reuse: boolean): Promise<void> {
  const key = { "Idempotency-Key": crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}` };
  const answer = await change<{ dispatch_id: string }>("POST", `dispatches/${encodeURIComponent(id)}/redispatch`, { reuse }, key);
  tell("It runs again, as a dispatch of its own.");
  go(to(["dispatches", answer.dispatch_id]));
}

export function DispatchActions({ model, record }: { readonly model: DispatchModel; readonly record: DispatchRecord }) {
  const [asking, setAsking] = useState(false);
  const over = ended(record.status);
  const broken = over && record.status !== "COMPLETED";
  return (
    <div class="actions">
      {mayChange() && !over && (
        <button type="button" class="button button-danger" onClick={() => setAsking(true)}>
          <Icon name="stop" />
          Cancel
        </button>
      )}
      {mayChange() && broken && (
        <button type="button" class="button button-first" title="Tasks that are done and the same are taken over" onClick={() => void attempt(() => redispatch(model.id, true))}>
          <Icon name="again" />
          Run from where it failed
        </button>
      )}
      {mayChange() && over && record.parent == null && (
        <button type="button" class="button" onClick={() => void attempt(() => redispatch(model.id, false))}>
          <Icon name="again" />
          Run all again
        </button>
      )}
      <Copy word icon="python" label="Copy as Python" text={getResult(model.id, document.baseURI.replace(/\/$/, ""))} />
      {asking && (
        <Ask
          question={`Cancel ${record.name}?`}
          yes="Cancel it"
          onYes={() =>
            void attempt(async () => {
              await change("POST", `${model.path}/cancel`, { nodes: null });
              tell("It is being cancelled.");
              model.refresh();
            })
          }
          onClose={() => setAsking(false)}
        >
          <p>Tasks that run are stopped, those that wait never start, and what is done stays.</p>
        </Ask>
      )}
    </div>
  );
}

export function CancelTask({ model, node }: { readonly model: DispatchModel; readonly node: number }) {
  if (!mayChange()) return null;
  const cancel = async (): Promise<void> => {
    await change("POST", `${model.path}/cancel`, { nodes: [node] });
    tell("The task is being cancelled.");
  };
  return (
    <p>
      <button type="button" class="button button-small button-danger" onClick={() => void attempt(cancel)}>
        <Icon name="stop" />
        Cancel this task
      </button>
    </p>
  );
}
