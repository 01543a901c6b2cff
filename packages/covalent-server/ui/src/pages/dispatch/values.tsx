/** What went into a dispatch, what came out of it, and what it was made of. */

import { type DispatchDetail } from "../../api/records";
import { Empty, Fact, Loading, Trouble } from "../../parts/notices";
import { Preview, Source } from "../../parts/preview";
import { ended } from "../../parts/status";
import { moment } from "../../text/format";
import { type DispatchModel } from "./model";

export function ValuesTab({ model }: { readonly model: DispatchModel }) {
  const detail = model.detail.value.value;
  if (detail === undefined) return <Missing model={model} />;
  const { dispatch } = detail;
  return (
    <div class="panels">
      <section class="panel" aria-labelledby="inputs">
        <h2 id="inputs">Inputs</h2>
        {detail.inputs ? <Preview asset={detail.inputs} name="the inputs" /> : <p class="muted">This dispatch has no inputs of its own.</p>}
      </section>
      <section class="panel" aria-labelledby="result">
        <h2 id="result">Result</h2>
        {dispatch.result ? (
          <Preview asset={dispatch.result} name="the result" />
        ) : (
          <p class="muted">{ended(dispatch.status) ? "It ended without a result." : "There is none yet."}</p>
        )}
      </section>
      <section class="panel panel-wide" aria-labelledby="circumstances">
        <h2 id="circumstances">Circumstances</h2>
        <Circumstances detail={detail} />
      </section>
    </div>
  );
}

function Circumstances({ detail }: { readonly detail: DispatchDetail }) {
  const { client, env, executors, dispatch, priority } = detail;
  return (
    <dl class="facts">
      <Fact name="Dispatched">{moment(dispatch.created_at)}</Fact>
      {client?.host && <Fact name="From"><code>{client.host}</code></Fact>}
      {client?.python && <Fact name="Python">{client.python}</Fact>}
      {client?.sdk && <Fact name="covalent-sdk">{client.sdk}</Fact>}
      {priority !== null && priority !== undefined && priority !== 0 && <Fact name="Priority">{priority}</Fact>}
      {executors?.map((each) => (
        <Fact key={`${each.executor} ${each.place}`} name={`Executor ${each.executor}`}>
          {each.place ? <code class="break">{each.place}</code> : "as configured"}
          {each.nodes ? <span class="muted">, {each.nodes.toLocaleString("en-US")} tasks</span> : null}
        </Fact>
      ))}
      {env && env.length > 0 && <Fact name="Variables">{env.join(", ")}</Fact>}
    </dl>
  );
}

export function CodeTab({ model }: { readonly model: DispatchModel }) {
  const detail = model.detail.value.value;
  if (detail === undefined) return <Missing model={model} />;
  const { code, workflow } = detail;
  return (
    <div class="panels">
      <section class="panel panel-wide" aria-labelledby="source">
        <h2 id="source">{code?.name || detail.dispatch.name}</h2>
        {code?.doc && <p class="doc">{code.doc}</p>}
        {code?.source ? (
          <Source text={code.source} label="Source of the workflow" />
        ) : workflow ? (
          <>
            <p class="muted">The source text was not stored; the function itself is in this asset:</p>
            <Preview asset={workflow} name="the workflow" />
          </>
        ) : (
          <Empty title="No code is stored">This dispatch came without its workflow's function.</Empty>
        )}
      </section>
    </div>
  );
}

function Missing({ model }: { readonly model: DispatchModel }) {
  const error = model.detail.error.value;
  return error === undefined ? <Loading /> : <Trouble error={error} again={() => void model.detail.load()} />;
}
