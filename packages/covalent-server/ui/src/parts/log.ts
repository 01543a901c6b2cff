/** What a task printed, as it comes: the end first, more at either end when it is wanted. */

import { signal } from "@preact/signals";

import { RequestError, address, send } from "../api/client";
import { type Look, type Piece, overwritten, pieces } from "../text/ansi";

const TAIL = 256 * 1024;
/** Seconds for which the server may hold an answer back. */
const WAIT = 15;
const PAUSE = 2000;
/** More lines than this are not kept: what is shown begins later instead. */
const MOST_LINES = 200_000;

export type LogLine = readonly Piece[];

export class Log {
  /** Grows when there are other lines. */
  readonly version = signal(0);
  readonly state = signal<"loading" | "open" | "settled">("loading");
  readonly error = signal<RequestError | undefined>(undefined);
  lines: LogLine[] = [];
  /** Where what is kept begins in what was printed, and where it ends, in bytes. */
  begin = 0;
  end = 0;
  readonly #url: string;
  readonly #attempt: number | undefined;
  #decoder = new TextDecoder();
  #rest = "";
  #look: Look = {};
  #controller = new AbortController();

  constructor(path: string, attempt?: number) {
    this.#url = path;
    this.#attempt = attempt;
  }

  /** Read the end, and then on, until it is settled or the function that is given back is called. */
  follow(): () => void {
    this.#controller = new AbortController();
    void this.#run(this.#controller.signal);
    return () => this.#controller.abort();
  }

  /** Read all of it, from its beginning on. */
  readAll(): void {
    this.#controller.abort();
    this.#controller = new AbortController();
    this.#forget();
    void this.#run(this.#controller.signal, 0);
  }

  async #run(cancelled: AbortSignal, from?: number): Promise<void> {
    let next: { offset?: number; tail?: number; wait?: number } = from === undefined ? { tail: TAIL } : { offset: from };
    while (!cancelled.aborted) {
      try {
        const settled = await this.#read(next, cancelled);
        this.error.value = undefined;
        if (settled) {
          this.#flush();
          this.state.value = "settled";
          return;
        }
        this.state.value = "open";
        next = { offset: this.end, wait: WAIT };
      } catch (error) {
        if (cancelled.aborted) return;
        if (!(error instanceof RequestError)) throw error;
        this.error.value = error;
        // A server that is away comes back; what it refuses, it refuses again.
        if (error.status !== 0 && error.status < 500) return;
        await new Promise((resolve) => setTimeout(resolve, PAUSE));
      }
    }
  }

  /** One request; whether nothing more comes. */
  async #read(query: { offset?: number; tail?: number; wait?: number }, cancelled: AbortSignal): Promise<boolean> {
    const response = await send(address(this.#url, { ...query, attempt: this.#attempt }), { signal: cancelled });
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (cancelled.aborted) return false;
    const offset = Number(response.headers.get("Covalent-Offset") ?? query.offset ?? 0);
    if (offset !== this.end) {
      this.#forget();
      this.begin = offset;
    }
    this.end = offset + bytes.length;
    if (bytes.length > 0) this.#add(this.#decoder.decode(bytes, { stream: true }));
    const size = Number(response.headers.get("Covalent-Size") ?? this.end);
    return response.headers.get("Covalent-Settled") === "true" && this.end >= size;
  }

  #add(text: string): void {
    const parts = (this.#rest + text).split("\n");
    this.#rest = parts.pop() ?? "";
    for (const part of parts) this.#line(part);
    if (this.lines.length > MOST_LINES) this.lines.splice(0, this.lines.length - MOST_LINES);
    this.version.value = this.version.peek() + 1;
  }

  #line(text: string): void {
    const [found, look] = pieces(overwritten(text), this.#look);
    this.#look = look;
    this.lines.push(found);
  }

  /** The last line may have no end. */
  #flush(): void {
    if (this.#rest !== "") this.#line(this.#rest);
    this.#rest = "";
    this.version.value = this.version.peek() + 1;
  }

  #forget(): void {
    this.lines = [];
    this.begin = 0;
    this.end = 0;
    this.#rest = "";
    this.#look = {};
    this.#decoder = new TextDecoder();
    this.version.value = this.version.peek() + 1;
  }

  /** The line that is being printed, which has no end yet. */
  get open(): LogLine | undefined {
    return this.#rest === "" ? undefined : pieces(overwritten(this.#rest), this.#look)[0];
  }
}
