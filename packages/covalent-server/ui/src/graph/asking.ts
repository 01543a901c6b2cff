/** Asking the worker: from a question to a promise of its answer. */

import { type Layout, type Question } from "./layout";
import WorkerScript from "./worker?worker&url";

interface Answer {
  readonly ticket: number;
  readonly layout?: Layout;
  readonly error?: string;
}

interface Waiting {
  readonly resolve: (layout: Layout) => void;
  readonly reject: (error: Error) => void;
}

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL: (url: string) => string }): {
    createScriptURL(url: string): string;
  };
}

let worker: Worker | undefined;
let tickets = 0;
const waiting = new Map<number, Waiting>();

/** Where the script is: the only address that the page's policy of trusted types lets through. */
function scriptAddress(): string {
  const address = new URL(WorkerScript, import.meta.url).href;
  const types = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes;
  if (types === undefined) return address;
  const allow = (url: string): string => {
    if (url !== address) throw new TypeError(`not a script of this page: ${url}`);
    return url;
  };
  return types.createPolicy("covalent", { createScriptURL: allow }).createScriptURL(address);
}

function started(): Worker {
  if (worker !== undefined) return worker;
  worker = new Worker(scriptAddress(), { type: "module" });
  worker.addEventListener("message", ({ data }: MessageEvent<Answer>) => {
    const asker = waiting.get(data.ticket);
    waiting.delete(data.ticket);
    if (data.layout !== undefined) asker?.resolve(data.layout);
    else asker?.reject(new Error(data.error));
  });
  worker.addEventListener("error", (event) => {
    for (const asker of waiting.values()) asker.reject(new Error(event.message || "the graph could not be laid out"));
    waiting.clear();
  });
  return worker;
}

/** Lay a graph out beside the page's own thread. */
export function askForLayout(question: Question): Promise<Layout> {
  const ticket = ++tickets;
  return new Promise((resolve, reject) => {
    waiting.set(ticket, { resolve, reject });
    started().postMessage({ ticket, question });
  });
}
