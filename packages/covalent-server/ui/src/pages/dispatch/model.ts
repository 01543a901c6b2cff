/** A dispatch as its page shows it: fetched once, then kept up to date by what the server tells of it. */

import { type ReadonlySignal, computed, effect, signal } from "@preact/signals";

import { get } from "../../api/client";
import { type Columns, type States, applyEvents, countStatuses, letterAt, nameAt, readColumns, readStates } from "../../api/columns";
import { listen, watch } from "../../api/live";
import { type ColumnsAnswer, type DispatchDetail, type DispatchRecord, type Event, type StatesAnswer, type Status } from "../../api/records";
import { type Resource, resource } from "../../api/resource";
import { countsOf } from "../../parts/status";

/** Told of the positions whose nodes stand otherwise, or of null when all may. */
export type Repaint = (positions: readonly number[] | null) => void;

export class DispatchModel {
  readonly path: string;
  readonly detail: Resource<DispatchDetail>;
  readonly graph: Resource<Columns>;
  readonly record: ReadonlySignal<DispatchRecord | undefined>;
  /** Grows whenever a node's state has changed. */
  readonly version = signal(0);
  readonly counts: ReadonlySignal<ReadonlyMap<Status, number>>;
  states: States = { letters: new Uint8Array(), sequence: 0 };
  readonly #repaints = new Set<Repaint>();
  readonly #told = new Set<(events: readonly Event[]) => void>();
  readonly #fresh: Resource<StatesAnswer>;
  readonly #ends: (() => void)[] = [];

  constructor(readonly id: string) {
    this.path = `dispatches/${encodeURIComponent(id)}`;
    this.detail = resource((cancelled) => get<DispatchDetail>(`${this.path}/detail`, {}, cancelled));
    this.graph = resource(async (cancelled) => {
      const answer = await get<ColumnsAnswer>(`${this.path}/columns`, {}, cancelled);
      this.states = readStates(answer);
      return readColumns(answer);
    });
    this.#fresh = resource((cancelled) => get<StatesAnswer>(`${this.path}/states`, {}, cancelled));
    this.record = computed(() => this.detail.value.value?.dispatch);
    this.counts = computed(() => {
      this.version.value;
      return this.graph.value.value === undefined ? countsOf(this.record.value?.node_counts) : countStatuses(this.states);
    });
  }

  begin(): void {
    void this.detail.load();
    void this.graph.load();
    this.#ends.push(
      watch([this.id]),
      listen({ events: (events) => this.#take(events), missed: () => this.refresh() }),
      effect(() => {
        if (this.graph.value.value !== undefined) this.#paint(null);
      }),
      effect(() => {
        const answer = this.#fresh.value.value;
        if (answer === undefined || answer.sequence < this.states.sequence) return;
        this.states = readStates(answer);
        this.#paint(null);
      }),
    );
  }

  end(): void {
    for (const end of this.#ends) end();
    for (const each of [this.detail, this.graph, this.#fresh]) each.end();
  }

  /** Fetch again whatever may have changed. */
  refresh(): void {
    this.detail.loadSoon(0);
    if (this.graph.value.peek() === undefined) void this.graph.load();
    else this.#fresh.loadSoon(0);
  }

  /** Be told of nodes that stand otherwise. */
  onRepaint(repaint: Repaint): () => void {
    this.#repaints.add(repaint);
    return () => this.#repaints.delete(repaint);
  }

  /** Be told of what happens to this dispatch and its nodes. */
  onEvents(told: (events: readonly Event[]) => void): () => void {
    this.#told.add(told);
    return () => this.#told.delete(told);
  }

  /** The numbers of the nodes whose state has this letter, as many as are wanted. */
  first(letter: string, most: number): number[] {
    this.version.value;
    const columns = this.graph.value.value;
    if (columns === undefined) return [];
    const found: number[] = [];
    for (let position = 0; position < columns.count && found.length < most; position++) {
      if (letterAt(this.states, position) === letter) found.push(columns.ids[position]!);
    }
    return found;
  }

  /** `name(number)`, as it is written everywhere. */
  nameOf(node: number): string {
    const columns = this.graph.value.value;
    const position = columns?.positionOf.get(node);
    return columns === undefined || position === undefined ? `node ${node}` : `${nameAt(columns, position)}(${node})`;
  }

  #take(events: readonly Event[]): void {
    const mine = events.filter((event) => event.dispatch_id === this.id);
    if (mine.length === 0) return;
    const columns = this.graph.value.peek();
    if (columns !== undefined) {
      const changed = applyEvents(columns, this.states, mine);
      if (changed.length > 0) this.#paint(changed);
    }
    const moved = mine.some((event) => event.kind.startsWith("dispatch."));
    if (moved) this.detail.loadSoon(100);
    // What waits for a node that failed is blocked, and no event says so; nor when the whole dispatch ends.
    if (moved || mine.some((event) => event.kind === "node.failed")) this.#fresh.loadSoon(300);
    for (const told of [...this.#told]) told(mine);
  }

  #paint(positions: readonly number[] | null): void {
    this.version.value = this.version.peek() + 1;
    for (const repaint of [...this.#repaints]) repaint(positions);
  }
}
