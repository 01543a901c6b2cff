/** What the tasks of a dispatch printed: one task's stream at a time, chosen in the address. */

import { useMemo } from "preact/hooks";

import { get } from "../../api/client";
import { type NodePage, type NodeRecord } from "../../api/records";
import { useResource } from "../../api/resource";
import { Choice } from "../../parts/fields";
import { Grid } from "../../parts/grid";
import { LogView } from "../../parts/logview";
import { Empty, Loading, Trouble } from "../../parts/notices";
import { StatusMark, wordOf } from "../../parts/status";
import { go, place, to, withQuery } from "../../routes";
import { useNodeEvents } from "./events";
import { type DispatchModel } from "./model";

const STREAMS = [["stdout", "Standard output"], ["stderr", "Standard error"]] as const;

interface Props {
  readonly model: DispatchModel;
  readonly node: number | undefined;
}

export function LogsTab({ model, node }: Props) {
  const found = useResource((cancelled) => get<NodePage>(`${model.path}/nodes`, {}, cancelled), [model]);
  useNodeEvents(model, () => found.loadSoon(1500));
  const nodes = found.value.value?.nodes;
  const printing = useMemo(() => nodes?.filter((each) => (each.printed ?? []).length > 0 || each.status === "RUNNING") ?? [], [nodes]);
  if (nodes === undefined) return found.error.value === undefined ? <Loading lines={6} /> : <Trouble error={found.error.value} again={() => void found.load()} />;

  const chosen = printing.find((each) => each.node_id === node) ?? printing[0];
  if (chosen === undefined) {
    return (
      <Empty title="Nothing was printed" icon="python">
        What tasks print appears here while they run. Python keeps it back until it is flushed: <code>print(…, flush=True)</code>.
      </Empty>
    );
  }
  const stream = streamOf(chosen);
  return (
    <div class="logs">
      <div class="logs-tasks">
        <Grid<NodeRecord>
          label="Tasks that printed something"
          rows={printing}
          rowHeight={36}
          headless
          keyOf={(each) => String(each.node_id)}
          textOf={(each) => each.node_name}
          selected={String(chosen.node_id)}
          onOpen={(each) => go(to(["dispatches", model.id, "logs", each.node_id]) + location.search)}
          columns={[
            {
              title: "Task",
              width: "minmax(0, 1fr)",
              cell: (each) => (
                <span class="logs-task">
                  <StatusMark status={each.status} />
                  <span class="unseen">{wordOf(each.status)}</span>
                  <span class="cut">{each.node_name}</span>
                  <span class="muted figures">{each.node_id}</span>
                </span>
              ),
            },
          ]}
        />
      </div>
      <section class="logs-text" aria-label={`${model.nameOf(chosen.node_id)}, ${stream}`}>
        <div class="logs-head">
          <h2 class="cut">{model.nameOf(chosen.node_id)}</h2>
          <Choice label="Stream" value={stream} options={STREAMS} onChange={(value) => go(withQuery({ stream: value }), true)} />
        </div>
        <LogView
          key={`${chosen.node_id} ${chosen.attempt} ${stream}`}
          path={`${model.path}/nodes/${chosen.node_id}/${stream}`}
          label={stream}
          tall
        />
      </section>
    </div>
  );
}

/** The stream in the address, or the one that the task has printed to. */
function streamOf(node: NodeRecord): string {
  const asked = place.value.query.get("stream");
  if (asked === "stdout" || asked === "stderr") return asked;
  const printed = node.printed ?? [];
  return printed.includes("stderr") && !printed.includes("stdout") ? "stderr" : "stdout";
}
