/** The one stream of events that the page listens to, and who is told of what comes along it. */

import { effect, signal } from "@preact/signals";

import { RequestError, address, get, reachable } from "./client";
import { type Event, type Session } from "./records";
import { session } from "./session";

/** Whether events arrive; `lost` when they did and no longer do. */
export const live = signal<"off" | "connecting" | "on" | "lost">("off");

export interface Listener {
  /** Things happened. */
  readonly events?: (events: readonly Event[]) => void;
  /** Things were missed: what is shown has to be asked for again. */
  readonly missed?: () => void;
}

/** Milliseconds from an error that the browser does not get over by itself to another try. */
const PAUSE = 2000;

const listeners = new Set<Listener>();
const watched = new Map<string, number>();
let source: EventSource | undefined;
let sequence: number | undefined;
let instance: string | undefined;
let pending: ReturnType<typeof setTimeout> | undefined;

/** Listen until the function that is given back is called. */
export function listen(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Hear of what happens to these dispatches' nodes, too, until the function that is given back is called. */
export function watch(ids: readonly string[]): () => void {
  for (const id of ids) watched.set(id, (watched.get(id) ?? 0) + 1);
  if (ids.length > 0) reopenSoon();
  return () => {
    for (const id of ids) {
      const left = (watched.get(id) ?? 1) - 1;
      if (left > 0) watched.set(id, left);
      else watched.delete(id);
    }
    if (ids.length > 0) reopenSoon();
  };
}

/** Open the stream while somebody is signed in, and close it after. */
export function followSession(): void {
  effect(() => {
    if (session.value.kind === "signed-in") open();
    else close();
  });
}

/** One page follows another within a moment: the stream is opened anew once, for what is watched then. */
function reopenSoon(): void {
  clearTimeout(pending);
  pending = setTimeout(() => {
    if (source !== undefined) open();
  }, 30);
}

function open(): void {
  source?.close();
  if (live.peek() !== "lost") live.value = "connecting";
  const opened = new EventSource(
    address("events/stream", { level: "dispatch", dispatch: [...watched.keys()], after: sequence }),
  );
  source = opened;
  opened.addEventListener("hello", (event) => {
    const told = read<{ sequence: number; instance: string }>(event);
    live.value = "on";
    reachable.value = true;
    sequence ??= told.sequence;
    if (instance !== undefined && instance !== told.instance) tellMissed();
    instance = told.instance;
  });
  opened.addEventListener("events", (event) => {
    const { events } = read<{ events: readonly Event[] }>(event);
    sequence = events.at(-1)?.sequence ?? sequence;
    for (const listener of [...listeners]) listener.events?.(events);
  });
  opened.addEventListener("resync", (event) => {
    sequence = read<{ sequence: number }>(event).sequence;
    tellMissed();
  });
  opened.addEventListener("bye", (event) => {
    if (read<{ reason: string }>(event).reason === "signed-out") {
      session.value = { kind: "signed-out", why: "The session has ended." };
    }
  });
  opened.addEventListener("error", () => {
    if (source !== opened) return;
    live.value = "lost";
    // A connection that breaks is tried again by the browser, with Last-Event-ID; one that was refused is not.
    if (opened.readyState === EventSource.CLOSED) setTimeout(() => void again(opened), PAUSE);
  });
}

async function again(refused: EventSource): Promise<void> {
  if (source !== refused) return;
  try {
    await get<Session>("session");
    open();
  } catch (error) {
    if (!(error instanceof RequestError && error.status === 401)) setTimeout(() => void again(refused), PAUSE);
  }
}

function close(): void {
  source?.close();
  source = undefined;
  live.value = "off";
}

function tellMissed(): void {
  for (const listener of [...listeners]) listener.missed?.();
}

function read<T>(event: globalThis.Event): T {
  return JSON.parse((event as MessageEvent<string>).data) as T;
}
