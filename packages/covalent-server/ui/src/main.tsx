/** Where the page begins. */

import { render } from "preact";

import { followSession } from "./api/live";
import { begin } from "./api/session";
import { App } from "./app";
import { followTheme } from "./parts/screen";
import { followLinks, go, place, to } from "./routes";
import "./style/index.css";

/** The code of a link that signs one in; it is taken out of the address before anything else. */
function codeOfLink(): string | null {
  if (place.peek().path[0] !== "sign-in") return null;
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  go(to([]), true);
  return code;
}

followTheme();
followLinks();
void begin(codeOfLink()).then(followSession);
const page = document.getElementById("page");
if (page !== null) render(<App />, page);
