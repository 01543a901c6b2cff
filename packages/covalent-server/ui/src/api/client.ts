/** Requests to the server: JSON in and out, and what goes wrong as one kind of error. */

import { signal } from "@preact/signals";

/** Why a request came to nothing. `status` is 0 when no answer came at all. */
export class RequestError extends Error {
  override name = "RequestError";

  constructor(
    readonly status: number,
    message: string,
    readonly code = "",
  ) {
    super(message);
  }
}

/** Whether the server answers. */
export const reachable = signal(true);

let signedOut = (): void => undefined;

/** Say what is to happen when the server no longer knows the session. */
export function whenSignedOut(action: () => void): void {
  signedOut = action;
}

/** The address of a path of the API, under whatever prefix the page is served. */
export function address(path: string, query: Query = {}): string {
  const found = new URL(`api/v1/${path}`, document.baseURI);
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== undefined && each !== null && each !== "") found.searchParams.append(name, String(each));
    }
  }
  return found.href;
}

type Parameter = string | number | boolean | null | undefined;
export type Query = Readonly<Record<string, Parameter | readonly Parameter[]>>;

/** Ask for JSON. */
export async function get<T>(path: string, query: Query = {}, cancelled?: AbortSignal): Promise<T> {
  const response = await send(address(path, query), cancelled === undefined ? {} : { signal: cancelled });
  return (await response.json()) as T;
}

/** Send JSON; the answer may be empty. */
export async function change<T>(
  method: "POST" | "PUT" | "DELETE",
  path: string,
  body: unknown = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<T> {
  const response = await send(address(path), {
    method,
    headers: { "Content-Type": "application/json", ...headers },
    ...(method === "DELETE" ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

/** Send a request as it is; whatever is not a success becomes an error. */
export async function send(url: string, options: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    reachable.value = false;
    throw new RequestError(0, "The server does not answer.");
  }
  reachable.value = true;
  if (response.ok) return response;
  if (response.status === 401) signedOut();
  throw await failure(response);
}

interface ProblemDocument {
  readonly code?: string;
  readonly title?: string;
  readonly detail?: string;
}

async function failure(response: Response): Promise<RequestError> {
  try {
    const problem = (await response.json()) as ProblemDocument;
    const message = problem.detail || problem.title || response.statusText;
    return new RequestError(response.status, sentence(message), problem.code);
  } catch {
    return new RequestError(response.status, `The server answered ${response.status} ${response.statusText}.`);
  }
}

function sentence(text: string): string {
  const upper = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(upper) ? upper : `${upper}.`;
}
