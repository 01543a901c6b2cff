/** The server was not there when the page came. */

import { useEffect } from "preact/hooks";

import { begin } from "../api/session";
import { Sign } from "../parts/icons";
import { useTitle } from "../parts/title";

const PAUSE = 3000;

export function Offline() {
  useTitle("Not there");
  useEffect(() => {
    const timer = setInterval(() => void begin(null), PAUSE);
    return () => clearInterval(timer);
  }, []);
  return (
    <main class="alone">
      <div class="card">
        <Sign />
        <h1>The server does not answer</h1>
        <p class="muted">The page goes on by itself as soon as it is there. Its state, and where its log is:</p>
        <pre class="command">covalent status</pre>
        <button type="button" class="button" onClick={() => void begin(null)}>
          Try now
        </button>
      </div>
    </main>
  );
}
