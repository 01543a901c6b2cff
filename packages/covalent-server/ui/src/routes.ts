/** Where one is: the address is the only place that remembers filters, tabs and selections. */

import { signal } from "@preact/signals";

export interface Place {
  /** The path below the page's base, in pieces. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
}

export const place = signal<Place>(readPlace(location.href));

function readPlace(href: string): Place {
  const base = new URL(document.baseURI).pathname;
  const url = new URL(href);
  const below = url.pathname.startsWith(base) ? url.pathname.slice(base.length) : url.pathname;
  return { path: below.split("/").filter(Boolean).map(plain), query: url.searchParams };
}

function plain(piece: string): string {
  try {
    return decodeURIComponent(piece);
  } catch {
    return piece;
  }
}

type Pieces = readonly (string | number)[];
export type Choices = Readonly<Record<string, string | readonly string[] | null>>;

/** The address of a place, for links. */
export function to(path: Pieces, query: Choices = {}): string {
  const url = new URL(path.map((piece) => encodeURIComponent(piece)).join("/"), document.baseURI);
  choose(url.searchParams, query);
  return url.pathname + url.search;
}

/** The address of this place with other choices; null takes one away. */
export function withQuery(choices: Choices): string {
  const url = new URL(location.href);
  choose(url.searchParams, choices);
  return url.pathname + url.search;
}

function choose(parameters: URLSearchParams, choices: Choices): void {
  for (const [name, value] of Object.entries(choices)) {
    parameters.delete(name);
    for (const each of typeof value === "string" ? [value] : (value ?? [])) {
      if (each !== "") parameters.append(name, each);
    }
  }
}

/** Go to an address of the page; `replace` leaves no step in the history. */
export function go(href: string, replace = false): void {
  if (replace) history.replaceState(null, "", href);
  else history.pushState(null, "", href);
  place.value = readPlace(location.href);
}

/** Let links work without loading the page anew, and the browser's buttons, too. */
export function followLinks(): void {
  addEventListener("popstate", () => {
    place.value = readPlace(location.href);
  });
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (link === null || link.target !== "" || link.hasAttribute("download") || link.href.includes("#")) return;
    if (!link.href.startsWith(document.baseURI) || link.href.startsWith(new URL("api/", document.baseURI).href)) return;
    event.preventDefault();
    go(link.href);
  });
}
