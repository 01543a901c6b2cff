/** When each task of a dispatch began and ended, in milliseconds since the dispatch was made; NaN where it did not. */

import { effect, signal } from "@preact/signals";

import { get } from "../../api/client";
import { listen } from "../../api/live";
import { type Event, type TimelineAnswer } from "../../api/records";
import { type Resource, resource } from "../../api/resource";
import { type DispatchModel } from "./model";

const ENDS: ReadonlySet<string> = new Set(["node.completed", "node.failed", "node.cancelled"]);

export class Timeline {
  readonly answer: Resource<TimelineAnswer>;
  readonly version = signal(0);
  started = new Float64Array();
  ended = new Float64Array();
  /** When the dispatch was made, in seconds since the epoch. */
  origin = 0;
  #sequence = 0;
  #users = 0;
  #stop: (() => void)[] = [];

  constructor(readonly model: DispatchModel) {
    this.answer = resource((cancelled) => get<TimelineAnswer>(`${model.path}/timeline`, {}, cancelled));
  }

  /** Fetch it, and keep it true until the function that is given back is called. */
  begin(): () => void {
    if (this.#users++ === 0) {
      void this.answer.load();
      this.#stop = [
        effect(() => this.#read(this.answer.value.value)),
        this.model.onEvents((events) => this.#take(events)),
        listen({ missed: () => this.answer.loadSoon(0) }),
      ];
    }
    return () => {
      if (--this.#users > 0) return;
      for (const stop of this.#stop) stop();
      this.answer.end();
    };
  }

  #read(answer: TimelineAnswer | undefined): void {
    if (answer === undefined) return;
    this.started = Float64Array.from(answer.started, (each) => each ?? Number.NaN);
    this.ended = Float64Array.from(answer.ended, (each) => each ?? Number.NaN);
    this.origin = answer.origin;
    this.#sequence = answer.sequence;
    this.version.value = this.version.peek() + 1;
  }

  #take(events: readonly Event[]): void {
    const columns = this.model.graph.value.peek();
    if (columns === undefined || this.started.length === 0) return;
    for (const event of events) {
      const position = columns.positionOf.get(event.node_id ?? -1);
      if (event.sequence <= this.#sequence || position === undefined) continue;
      const at = (event.at - this.origin) * 1000;
      if (event.kind === "node.running") {
        this.started[position] = at;
        this.ended[position] = Number.NaN;
      } else if (ENDS.has(event.kind)) {
        this.ended[position] = at;
      }
    }
    this.version.value = this.version.peek() + 1;
  }
}
