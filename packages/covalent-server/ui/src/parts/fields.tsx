/** Fields to fill in and to choose from; their labels are there for everybody who needs them. */

import { useEffect, useId, useRef, useState } from "preact/hooks";

import { Icon } from "./icons";

interface FieldProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly kind?: "search" | "text";
}

const TYPING = 250;

/** A field whose value counts when its reader pauses. */
export function Field({ label, value, onChange, kind = "text" }: FieldProps) {
  const [text, setText] = useState(value);
  const timer = useRef<ReturnType<typeof setTimeout>>();
  useEffect(() => setText(value), [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const change = (next: string): void => {
    setText(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onChange(next), TYPING);
  };
  return (
    <label class={kind === "search" ? "field field-search" : "field"}>
      <span class="unseen">{label}</span>
      {kind === "search" && <Icon name="search" />}
      <input type={kind} value={text} placeholder={label} spellcheck={false} autocomplete="off" onInput={(event) => change(event.currentTarget.value)} />
    </label>
  );
}

interface ChoiceProps {
  readonly label: string;
  readonly value: string;
  readonly options: readonly (readonly [value: string, word: string])[];
  readonly onChange: (value: string) => void;
  readonly seen?: boolean;
}

/** One of several. */
export function Choice({ label, value, options, onChange, seen = false }: ChoiceProps) {
  const id = useId();
  return (
    <span class="choice">
      <label class={seen ? "choice-label" : "unseen"} for={id}>
        {label}
      </label>
      <select id={id} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {options.map(([each, word]) => (
          <option key={each} value={each} selected={each === value}>
            {word}
          </option>
        ))}
      </select>
      <Icon name="down" />
    </span>
  );
}
