/** All dispatches, the newest first; what is looked for is part of the address. */

import { signal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";

import { RequestError, get } from "../api/client";
import { listen, watch } from "../api/live";
import { type DispatchPage as Answer, type DispatchRecord } from "../api/records";
import { Choice, Field } from "../parts/fields";
import { Grid } from "../parts/grid";
import { Icon } from "../parts/icons";
import { Empty, Loading, Trouble } from "../parts/notices";
import { Progress, STATUSES, StatusMark, StatusText, countsOf, ended, wordOf } from "../parts/status";
import { Ago, Span } from "../parts/times";
import { useTitle } from "../parts/title";
import { narrow } from "../parts/screen";
import { go, place, to, withQuery } from "../routes";
import { counted, short } from "../text/format";

const PAGE = 100;
const HOUR = 3600;
const WATCHED = 20;

const PERIODS: readonly (readonly [string, string])[] = [
  ["", "Any time"],
  [String(HOUR), "Last hour"],
  [String(24 * HOUR), "Last day"],
  [String(7 * 24 * HOUR), "Last week"],
  [String(30 * 24 * HOUR), "Last month"],
];

interface Filter {
  readonly text: string;
  readonly status: readonly string[];
  readonly tag: readonly string[];
  readonly within: string;
}

/** The dispatches of a filter, fetched page by page and kept true at their beginning. */
class Listing {
  readonly records = signal<readonly DispatchRecord[] | undefined>(undefined);
  readonly error = signal<RequestError | undefined>(undefined);
  #next: string | null | undefined;
  #reading = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #end = new AbortController();

  constructor(readonly filter: Filter) {}

  end(): void {
    clearTimeout(this.#timer);
    this.#end.abort();
  }

  async #ask(cursor?: string): Promise<Answer | undefined> {
    const { text, status, tag, within } = this.filter;
    const since = within === "" ? undefined : Date.now() / 1000 - Number(within);
    try {
      const answer = await get<Answer>("dispatches", { text, status, tag, since, limit: PAGE, cursor }, this.#end.signal);
      this.error.value = undefined;
      return answer;
    } catch (error) {
      if (error instanceof RequestError) this.error.value = error;
      return undefined;
    }
  }

  /** Fetch the newest; those that were fetched before them stay below. */
  async begin(): Promise<void> {
    const answer = await this.#ask();
    if (answer === undefined) return;
    const before = this.records.peek();
    if (before === undefined) this.#next = answer.next;
    const oldest = answer.dispatches.at(-1)?.created_at ?? Number.POSITIVE_INFINITY;
    const known = new Set(answer.dispatches.map((record) => record.dispatch_id));
    const older = answer.next == null ? [] : (before ?? []).filter((record) => record.created_at <= oldest && !known.has(record.dispatch_id));
    this.records.value = [...answer.dispatches, ...older];
  }

  soon(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.begin(), 400);
  }

  async more(): Promise<void> {
    const records = this.records.peek();
    if (this.#reading || this.#next == null || records === undefined) return;
    this.#reading = true;
    const answer = await this.#ask(this.#next);
    this.#reading = false;
    if (answer === undefined) return;
    this.#next = answer.next;
    const known = new Set(records.map((record) => record.dispatch_id));
    this.records.value = [...records, ...answer.dispatches.filter((record) => !known.has(record.dispatch_id))];
  }

  get complete(): boolean {
    return this.#next == null;
  }
}

export function DispatchesPage() {
  useTitle("Dispatches");
  const { query } = place.value;
  const filter: Filter = {
    text: query.get("text") ?? "",
    status: query.getAll("status"),
    tag: query.getAll("tag"),
    within: query.get("within") ?? "",
  };
  const listing = useMemo(() => new Listing(filter), [JSON.stringify(filter)]);
  useEffect(() => {
    void listing.begin();
    const forget = listen({ events: () => listing.soon(), missed: () => listing.soon() });
    return () => {
      forget();
      listing.end();
    };
  }, [listing]);
  // While one types, what was found before stays until there is something else.
  const before = useRef<readonly DispatchRecord[]>();
  const records = listing.records.value ?? before.current;
  before.current = records;
  const atWork = (records ?? []).filter((record) => !ended(record.status)).slice(0, WATCHED);
  const watched = atWork.map((record) => record.dispatch_id).join();
  useEffect(() => watch(watched === "" ? [] : watched.split(",")), [watched]);

  const filtered = filter.text !== "" || filter.status.length > 0 || filter.tag.length > 0 || filter.within !== "";
  return (
    <div class="page fill">
      <header class="page-head">
        <h1>Dispatches</h1>
        {records !== undefined && (
          <p class="page-count" role="status">
            {listing.complete ? counted(records.length, "dispatch").replace(/dispatchs$/, "dispatches") : `the newest ${records.length.toLocaleString("en-US")}`}
          </p>
        )}
      </header>
      <Filters filter={filter} filtered={filtered} />
      {records === undefined ? (
        listing.error.value === undefined ? <Loading lines={8} /> : <Trouble error={listing.error.value} again={() => void listing.begin()} />
      ) : records.length === 0 ? (
        filtered ? (
          <Empty title="No dispatch is like that" icon="search">
            <a class="button" href={to(["dispatches"])}>Show all of them</a>
          </Empty>
        ) : (
          <Empty title="Nothing has been dispatched yet">
            What you dispatch appears here by itself. <a href={to([])}>A first workflow</a>
          </Empty>
        )
      ) : (
        <Table records={records} listing={listing} />
      )}
    </div>
  );
}

function Filters({ filter, filtered }: { readonly filter: Filter; readonly filtered: boolean }) {
  const one = filter.status.length === 1 ? filter.status[0]! : filter.status.length > 1 ? "several" : "";
  const several = filter.status.length > 1 ? [["several", filter.status.map(word).join(", ")] as const] : [];
  return (
    <div class="filters" role="search">
      <Field label="Find by name, id or tag" kind="search" value={filter.text} onChange={(text) => go(withQuery({ text: text || null }), true)} />
      <Choice
        label="Status"
        value={one}
        options={[["", "Any status"], ...several, ...STATUSES.map((status) => [status, wordOf(status)] as const)]}
        onChange={(status) => status !== "several" && go(withQuery({ status: status || null }), true)}
      />
      <Choice label="Time" value={filter.within} options={PERIODS} onChange={(within) => go(withQuery({ within: within || null }), true)} />
      {filter.tag.map((tag) => (
        <a key={tag} class="chip chip-taken" href={withQuery({ tag: filter.tag.filter((each) => each !== tag) })} aria-label={`No longer only those with the tag ${tag}`}>
          {tag}
          <Icon name="close" />
        </a>
      ))}
      {filtered && <a class="link-button" href={to(["dispatches"])}>Clear</a>}
    </div>
  );
}

function word(status: string): string {
  return STATUSES.some((each) => each === status) ? wordOf(status as (typeof STATUSES)[number]) : status;
}

function Table({ records, listing }: { readonly records: readonly DispatchRecord[]; readonly listing: Listing }) {
  return (
    <Grid<DispatchRecord>
      label="Dispatches"
      rows={records}
      keyOf={(record) => record.dispatch_id}
      textOf={(record) => record.name}
      onOpen={(record) => go(to(["dispatches", record.dispatch_id]))}
      onEnd={() => void listing.more()}
      columns={[
        { title: "Status", width: "9.5rem", wideOnly: true, cell: (record) => <StatusText status={record.status} /> },
        { title: "Name", width: "minmax(0, 2.4fr)", cell: (record) => <Name record={record} /> },
        {
          title: "Tasks",
          width: "minmax(6rem, 11rem)",
          wideOnly: true,
          cell: (record) => <TaskCounts record={record} />,
        },
        { title: "Dispatched", width: narrow.value ? "5.5rem" : "7rem", end: true, cell: (record) => <span class="muted"><Ago at={record.created_at} /></span> },
        { title: "Took", width: "6.5rem", wideOnly: true, end: true, cell: (record) => <Span from={record.started_at} until={record.ended_at} /> },
      ]}
    />
  );
}

function Name({ record }: { readonly record: DispatchRecord }) {
  const tags = record.tags ?? [];
  return (
    <span class="cell-name">
      {narrow.value && (
        <>
          <StatusMark status={record.status} />
          <span class="unseen">{wordOf(record.status)}</span>
        </>
      )}
      <a class="cut name" tabIndex={-1} href={to(["dispatches", record.dispatch_id])}>{record.name}</a>
      <code class="muted">{short(record.dispatch_id)}</code>
      {!narrow.value && tags.slice(0, 3).map((tag) => <span key={tag} class="chip cut">{tag}</span>)}
      {!narrow.value && tags.length > 3 && <span class="muted">+{tags.length - 3}</span>}
    </span>
  );
}

function TaskCounts({ record }: { readonly record: DispatchRecord }) {
  const counts = countsOf(record.node_counts);
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  return (
    <span class="cell-tasks">
      <Progress counts={counts} small />
      <span class="figures muted">{`${(counts.get("COMPLETED") ?? 0).toLocaleString("en-US")}/${total.toLocaleString("en-US")}`}</span>
    </span>
  );
}
