/** What the reader's screen is like, and which theme they want. */

import { effect, signal } from "@preact/signals";

function media(query: string) {
  const list = matchMedia(query);
  const found = signal(list.matches);
  list.addEventListener("change", () => (found.value = list.matches));
  return found;
}

/** Whether there is room for one column only. */
export const narrow = media("(max-width: 44rem)");
/** Whether there is room for something beside the graph. */
export const roomy = media("(min-width: 70rem)");
/** Whether the system is dark. */
export const systemDark = media("(prefers-color-scheme: dark)");

export type Theme = "system" | "light" | "dark";

const KEY = "covalent-theme";

/** The theme that was chosen; it is remembered in this browser. */
export const theme = signal<Theme>(remembered());

function remembered(): Theme {
  const found = localStorage.getItem(KEY);
  return found === "light" || found === "dark" ? found : "system";
}

/** Keep document and memory to what was chosen. */
export function followTheme(): void {
  effect(() => {
    const chosen = theme.value;
    if (chosen === "system") {
      localStorage.removeItem(KEY);
      delete document.documentElement.dataset["theme"];
    } else {
      localStorage.setItem(KEY, chosen);
      document.documentElement.dataset["theme"] = chosen;
    }
  });
}
