/** What happened to a dispatch, in the order of the server's commits. */

import { useEffect, useState } from "preact/hooks";

import { RequestError, get } from "../../api/client";
import { type Event, type EventPage } from "../../api/records";
import { Grid } from "../../parts/grid";
import { Empty, Loading, Trouble } from "../../parts/notices";
import { narrow } from "../../parts/screen";
import { go, to } from "../../routes";
import { clock, moment } from "../../text/format";
import { type DispatchModel } from "./model";

const PAGE = 1000;

/** Do something whenever something happens to the dispatch, or to one of its nodes. */
export function useNodeEvents(model: DispatchModel, action: () => void, node?: number): void {
  useEffect(
    () => model.onEvents((events) => events.some((event) => node === undefined || event.node_id === node) && action()),
    [model, node],
  );
}

export function EventsTab({ model }: { readonly model: DispatchModel }) {
  const [events, setEvents] = useState<readonly Event[] | undefined>();
  const [error, setError] = useState<RequestError | undefined>();
  useEffect(() => {
    let current = true;
    const cancelled = new AbortController();
    const read = async (): Promise<void> => {
      let known: readonly Event[] = [];
      for (;;) {
        const after = known.at(-1)?.sequence ?? 0;
        const answer = await get<EventPage>("events", { dispatch: model.id, after, limit: PAGE }, cancelled.signal);
        if (!current) return;
        known = [...known, ...answer.events];
        setEvents(known);
        if (answer.events.length < PAGE) return;
      }
    };
    read().catch((reason: unknown) => {
      if (reason instanceof RequestError) setError(reason);
    });
    const forget = model.onEvents((fresh) =>
      setEvents((known) => (known === undefined ? known : [...known, ...fresh.filter((event) => event.sequence > (known.at(-1)?.sequence ?? 0))])),
    );
    return () => {
      current = false;
      cancelled.abort();
      forget();
    };
  }, [model]);

  if (error !== undefined) return <Trouble error={error} />;
  if (events === undefined) return <Loading lines={6} />;
  if (events.length === 0) return <Empty title="No events are kept">They went when an old part of the server's memory was trimmed.</Empty>;
  return (
    <Grid<Event>
      label="Events"
      rows={events}
      keyOf={(event) => String(event.sequence)}
      textOf={(event) => event.kind}
      onOpen={(event) => {
        if (event.node_id !== null && event.node_id !== undefined) go(to(["dispatches", model.id, "tasks", event.node_id]));
      }}
      rowHeight={38}
      columns={[
        { title: "Time", width: narrow.value ? "4.25rem" : "6rem", cell: (event) => <time class="figures muted" title={moment(event.at)}>{clock(event.at)}</time> },
        { title: "What", width: narrow.value ? "8.5rem" : "12rem", cell: (event) => <code class="event-kind">{event.kind}</code> },
        {
          title: "Task",
          width: "minmax(6rem, 1fr)",
          cell: (event) =>
            event.node_id === null || event.node_id === undefined ? null : (
              <a class="cut" tabIndex={-1} href={to(["dispatches", model.id, "tasks", event.node_id])}>
                {model.nameOf(event.node_id)}
              </a>
            ),
        },
        { title: "Attempt", width: "5rem", wideOnly: true, end: true, cell: (event) => <span class="figures muted">{event.attempt ?? ""}</span> },
        { title: "Detail", width: "minmax(8rem, 2fr)", wideOnly: true, cell: (event) => <span class="muted cut">{event.detail ?? ""}</span> },
        { title: "No.", width: "5.5rem", wideOnly: true, end: true, cell: (event) => <span class="figures muted">{event.sequence}</span> },
      ]}
    />
  );
}
