/** How the page looks, who one is, and what this server is. */

import { get } from "../api/client";
import { type ServerInfo } from "../api/records";
import { useResource } from "../api/resource";
import { session, signOut } from "../api/session";
import { Copy, attempt } from "../parts/actions";
import { Icon } from "../parts/icons";
import { Fact, Loading, Trouble } from "../parts/notices";
import { type Theme, theme } from "../parts/screen";
import { useTitle } from "../parts/title";
import { moment } from "../text/format";

const THEMES: readonly (readonly [Theme, string])[] = [
  ["system", "As the system"],
  ["light", "Light"],
  ["dark", "Dark"],
];

export function SettingsPage() {
  useTitle("Settings");
  return (
    <div class="page">
      <header class="page-head">
        <h1>Settings</h1>
      </header>
      <div class="panels">
        <section class="panel" aria-labelledby="appearance">
          <h2 id="appearance">Appearance</h2>
          <fieldset class="segments">
            <legend class="unseen">Theme</legend>
            {THEMES.map(([value, word]) => (
              <label key={value} class="segment">
                <input type="radio" name="theme" value={value} checked={theme.value === value} onChange={() => (theme.value = value)} />
                <span>{word}</span>
              </label>
            ))}
          </fieldset>
          <p class="muted">Remembered in this browser.</p>
        </section>
        <Account />
        <About />
      </div>
    </div>
  );
}

function Account() {
  if (session.value.kind !== "signed-in") return null;
  const { owner, scope, created_at: since, expires_at: until } = session.value.session;
  return (
    <section class="panel" aria-labelledby="account">
      <h2 id="account">Session</h2>
      <dl class="facts">
        <Fact name="Account">{owner}</Fact>
        <Fact name="May">{scope === "user" ? "see and change everything of this account" : "see everything of this account, and change nothing"}</Fact>
        <Fact name="Signed in">{moment(since)}</Fact>
        <Fact name="Until">{moment(until)}</Fact>
      </dl>
      <button type="button" class="button" onClick={() => void attempt(signOut)}>
        <Icon name="leave" />
        Sign out
      </button>
    </section>
  );
}

function About() {
  const { value, error, load } = useResource((cancelled) => get<ServerInfo>("server", {}, cancelled), []);
  const server = value.value;
  return (
    <section class="panel panel-wide" aria-labelledby="about">
      <h2 id="about">About this server</h2>
      {server === undefined ? (
        error.value === undefined ? <Loading /> : <Trouble error={error.value} again={() => void load()} />
      ) : (
        <dl class="facts">
          <Fact name="Address"><code class="break">{server.url}</code> <Copy text={server.url} label="Copy the server's address" /></Fact>
          <Fact name="Version">{server.version}</Fact>
          <Fact name="Protocol">{server.protocol}</Fact>
          <Fact name="Instance"><code class="break">{server.instance}</code></Fact>
          <Fact name="Process">{server.pid}</Fact>
          <Fact name="Started">{moment(server.started_at)}</Fact>
          <Fact name="Guard">{server.guard}{server.refusals ? `, refused to unpickle ${server.refusals} times` : ", nothing has tried to unpickle"}</Fact>
          <Fact name="Features">{(server.features ?? []).join(", ")}</Fact>
        </dl>
      )}
    </section>
  );
}
