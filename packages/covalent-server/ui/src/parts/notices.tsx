/** What is shown instead of something: nothing there yet, something went wrong, it is on its way. */

import { type ComponentChildren } from "preact";

import { type RequestError } from "../api/client";
import { Icon, type IconName } from "./icons";

interface Words {
  readonly title: string;
  readonly children?: ComponentChildren;
  readonly icon?: IconName;
}

/** There is nothing here, and why, and what to do for there to be something. */
export function Empty({ title, children, icon = "empty" }: Words) {
  return (
    <div class="empty">
      <span class="empty-icon">
        <Icon name={icon} />
      </span>
      <p class="empty-title">{title}</p>
      {children !== undefined && <div class="empty-text">{children}</div>}
    </div>
  );
}

/** A request came to nothing. */
export function Trouble({ error, again }: { readonly error: RequestError; readonly again?: () => void }) {
  return (
    <div class="callout tone-failed" role="alert">
      <Icon name="warning" />
      <div>
        <p>{error.message}</p>
        {again !== undefined && (
          <button type="button" class="button button-small" onClick={again}>
            Try again
          </button>
        )}
      </div>
    </div>
  );
}

/** Lines in place of what is being fetched. */
export function Loading({ lines = 4 }: { readonly lines?: number }) {
  return (
    <div class="loading" role="status">
      <span class="unseen">Loading</span>
      {Array.from({ length: lines }, (_, line) => (
        <span key={line} class="loading-line" />
      ))}
    </div>
  );
}

/** A label and its value, one of several in a list. */
export function Fact({ name, children }: { readonly name: string; readonly children: ComponentChildren }) {
  return (
    <div class="fact">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
