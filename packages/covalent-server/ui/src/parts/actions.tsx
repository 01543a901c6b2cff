/** Doing things: copying, asking back, and saying what came of it. */

import { signal } from "@preact/signals";
import { type ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { RequestError } from "../api/client";
import { Icon, type IconName } from "./icons";

const TOLD_FOR = 6000;

interface Told {
  readonly text: string;
  readonly failed: boolean;
}

const told = signal<Told | undefined>(undefined);
let forgetting: ReturnType<typeof setTimeout> | undefined;

/** Say something in passing. */
export function tell(text: string, failed = false): void {
  clearTimeout(forgetting);
  told.value = { text, failed };
  forgetting = setTimeout(() => (told.value = undefined), TOLD_FOR);
}

/** Do something, and say so when it does not work. */
export async function attempt(action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    tell(error.message, true);
  }
}

/** Where things that are said in passing appear; readers of screens hear them. */
export function Messages() {
  return (
    <div class="messages" role="status" aria-live="polite">
      {told.value !== undefined && (
        <p class={`message ${told.value.failed ? "tone-failed" : "tone-completed"}`}>
          <Icon name={told.value.failed ? "warning" : "check"} />
          {told.value.text}
        </p>
      )}
    </div>
  );
}

async function toClipboard(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Pages that are not served securely have no clipboard of their own.
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "unseen";
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
}

interface CopyProps {
  readonly text: string;
  readonly label: string;
  readonly icon?: IconName;
  /** With a word beside the picture, as a button among others. */
  readonly word?: boolean;
}

/** Copy a text; the mark shows for a moment that it was done. */
export function Copy({ text, label, icon = "copy", word = false }: CopyProps) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return undefined;
    const timer = setTimeout(() => setDone(false), 1500);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = (): void => {
    void toClipboard(text).then(() => {
      setDone(true);
      tell("Copied.");
    });
  };
  return (
    <button type="button" class={word ? "button" : "icon-button"} aria-label={word ? undefined : label} title={label} onClick={copy}>
      <Icon name={done ? "check" : icon} />
      {word && label}
    </button>
  );
}

interface AskProps {
  readonly question: string;
  readonly children?: ComponentChildren;
  readonly yes: string;
  readonly onYes: () => void;
  readonly onClose: () => void;
}

/** Ask before something that cannot be taken back. Escape says no; the focus goes back to where it was. */
export function Ask({ question, children, yes, onYes, onClose }: AskProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  return (
    <dialog ref={dialog} class="dialog" aria-labelledby="question" onClose={onClose}>
      <h2 id="question">{question}</h2>
      {children}
      <div class="dialog-buttons">
        <button type="button" class="button" onClick={() => dialog.current?.close()}>
          No, leave it
        </button>
        <button
          type="button"
          class="button button-danger"
          onClick={() => {
            onYes();
            dialog.current?.close();
          }}
        >
          {yes}
        </button>
      </div>
    </dialog>
  );
}
