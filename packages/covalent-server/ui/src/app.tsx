/** The frame around every page: where one can go, whether the server is there, and the page itself. */

import { useEffect, useRef } from "preact/hooks";

import { reachable } from "./api/client";
import { live } from "./api/live";
import { session } from "./api/session";
import { DispatchPage } from "./pages/dispatch/page";
import { DispatchesPage } from "./pages/dispatches";
import { HomePage } from "./pages/home";
import { NotFound } from "./pages/notfound";
import { Offline } from "./pages/offline";
import { SettingsPage } from "./pages/settings";
import { SignIn } from "./pages/signin";
import { TriggersPage } from "./pages/triggers";
import { WorkersPage } from "./pages/workers";
import { Messages } from "./parts/actions";
import { Icon, type IconName, Sign } from "./parts/icons";
import { Loading } from "./parts/notices";
import { place, to } from "./routes";

const PLACES: readonly (readonly [path: string, word: string, icon: IconName])[] = [
  ["", "Home", "home"],
  ["dispatches", "Dispatches", "list"],
  ["workers", "Workers", "workers"],
  ["triggers", "Triggers", "trigger"],
  ["settings", "Settings", "settings"],
];

export function App() {
  switch (session.value.kind) {
    case "asking":
      return (
        <div class="alone">
          <Loading />
        </div>
      );
    case "unreachable":
      return <Offline />;
    case "signed-out":
      return <SignIn why={session.value.why} />;
    case "signed-in":
      return <Frame />;
  }
}

function Frame() {
  const [first = "", second] = place.value.path;
  const main = useRef<HTMLElement>(null);
  const came = useRef(false);
  const here = first === "dispatches" && second !== undefined ? `${first}/${second}` : first;
  useEffect(() => {
    // The first page is where the browser puts the focus by itself.
    if (came.current) main.current?.focus();
    came.current = true;
    scrollTo(0, 0);
  }, [here]);
  return (
    <div class="frame">
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), main.current?.focus())}>
        To the content
      </a>
      <nav class="places" aria-label="Pages">
        <a class="brand" href={to([])} aria-label="Covalent, home">
          <Sign />
          <span class="brand-name">Covalent</span>
        </a>
        <ul class="places-list">
          {PLACES.map(([path, word, icon]) => (
            <li key={path}>
              <a class="place" href={to(path === "" ? [] : [path])} aria-current={path === first ? "page" : undefined}>
                <Icon name={icon} />
                <span>{word}</span>
              </a>
            </li>
          ))}
        </ul>
        <Connection />
      </nav>
      <main id="main" class="main" ref={main} tabIndex={-1}>
        <Lost />
        <Page />
      </main>
      <Messages />
    </div>
  );
}

function Page() {
  const [first, second, ...rest] = place.value.path;
  if (first === undefined) return <HomePage />;
  if (first === "dispatches" && second !== undefined && rest.length <= 2) return <DispatchPage key={second} id={second} />;
  if (second === undefined) {
    if (first === "dispatches") return <DispatchesPage />;
    if (first === "workers") return <WorkersPage />;
    if (first === "triggers") return <TriggersPage />;
    if (first === "settings") return <SettingsPage />;
  }
  return <NotFound what="page" />;
}

const WORDS = { on: "Live", connecting: "Connecting", lost: "Not connected", off: "Not connected" } as const;

function Connection() {
  return (
    <p class={`connection connection-${live.value}`} title={live.value === "on" ? "Changes appear by themselves" : undefined}>
      <span class="connection-dot" />
      <span>{WORDS[live.value]}</span>
    </p>
  );
}

/** What is shown may be old: say so, until the server is back. */
function Lost() {
  if (live.value !== "lost" && reachable.value) return null;
  return (
    <div class="callout tone-cancelled lost" role="status">
      <Icon name="cut" />
      <p>The server does not answer. This is what it told last; the page goes on by itself when it is back.</p>
    </div>
  );
}
