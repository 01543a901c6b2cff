/** Something that is fetched, shown, and fetched again when it has changed. */

import { type Signal, signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";

import { RequestError } from "./client";

export interface Resource<T> {
  readonly value: Signal<T | undefined>;
  readonly error: Signal<RequestError | undefined>;
  /** Fetch now. */
  readonly load: () => Promise<void>;
  /** Fetch soon: many wishes within a while are one request. */
  readonly loadSoon: (milliseconds?: number) => void;
  readonly end: () => void;
}

/** A resource that is fetched by `fetcher`; an answer that a later one has overtaken is dropped. */
export function resource<T>(fetcher: (cancelled: AbortSignal) => Promise<T>): Resource<T> {
  const value = signal<T | undefined>(undefined);
  const error = signal<RequestError | undefined>(undefined);
  let controller: AbortController | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let last = 0;

  const load = async (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    last = Date.now();
    controller?.abort();
    const mine = new AbortController();
    controller = mine;
    try {
      const found = await fetcher(mine.signal);
      if (mine.signal.aborted) return;
      value.value = found;
      error.value = undefined;
    } catch (reason) {
      if (mine.signal.aborted) return;
      if (!(reason instanceof RequestError)) throw reason;
      error.value = reason;
    }
  };
  return {
    value,
    error,
    load,
    loadSoon: (milliseconds = 300) => {
      timer ??= setTimeout(() => void load(), Math.max(0, last + milliseconds - Date.now()));
    },
    end: () => {
      clearTimeout(timer);
      controller?.abort();
    },
  };
}

/** A resource of a component, fetched when it appears and whenever one of `inputs` is another. */
export function useResource<T>(fetcher: (cancelled: AbortSignal) => Promise<T>, inputs: readonly unknown[]): Resource<T> {
  const found = useMemo(() => resource(fetcher), inputs);
  useEffect(() => {
    void found.load();
    return found.end;
  }, [found]);
  return found;
}
