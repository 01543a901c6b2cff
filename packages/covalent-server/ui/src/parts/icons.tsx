/** The page's pictures: strokes on a grid of sixteen, in the colour of the text around them. */

const PATHS = {
  home: "M2.5 7.2 8 2.8l5.5 4.4v6a.8.8 0 0 1-.8.8H9.8v-4H6.2v4H3.3a.8.8 0 0 1-.8-.8z",
  list: "M5.5 4h8M5.5 8h8M5.5 12h8M2.5 4h.01M2.5 8h.01M2.5 12h.01",
  workers: "M4.5 4.5h7v7h-7zM6.5 2v2.5M9.5 2v2.5M6.5 11.5V14M9.5 11.5V14M2 6.5h2.5M2 9.5h2.5M11.5 6.5H14M11.5 9.5H14",
  trigger: "M8 4.6V8l2.3 1.6M13.8 8A5.8 5.8 0 1 1 2.2 8a5.8 5.8 0 0 1 11.6 0z",
  settings: "M2.5 4.5h5M11 4.5h2.5M2.5 11.5H5M8.5 11.5h5M11 4.5a1.75 1.75 0 1 1-3.5 0 1.75 1.75 0 0 1 3.5 0zM8.5 11.5a1.75 1.75 0 1 1-3.5 0 1.75 1.75 0 0 1 3.5 0z",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.3 10.3l3.2 3.2",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  check: "M3 8.5 6.5 12 13 4.5",
  close: "M4 4l8 8M12 4l-8 8",
  right: "M6 3.5 10.5 8 6 12.5",
  down: "M3.5 6 8 10.5 12.5 6",
  stop: "M4 4h8v8H4z",
  again: "M13 8a5 5 0 1 1-1.6-3.7M13 2.5v2.8h-2.8",
  download: "M8 2.5v7.5M4.7 7 8 10.3 11.3 7M2.8 13.2h10.4",
  plus: "M8 3.5v9M3.5 8h9",
  minus: "M3.5 8h9",
  fit: "M2.5 5.5v-3h3M10.5 2.5h3v3M13.5 10.5v3h-3M5.5 13.5h-3v-3",
  expand: "M8 2.5v4M6 4.5l2-2 2 2M8 13.5v-4M6 11.5l2 2 2-2M2.5 8h11",
  collapse: "M8 2v4M6 4.2 8 6.2l2-2M8 14v-4M6 11.8 8 9.8l2 2M2.5 8h11",
  outline: "M2.5 3.5h4M6 8h7.5M6 12.5h7.5M2.5 3.5v9M2.5 8H6M2.5 12.5H6M6.5 3.5h7",
  out: "M9.5 2.5h4v4M13.5 2.5 8 8M11.5 9.5v3.2a.8.8 0 0 1-.8.8H3.3a.8.8 0 0 1-.8-.8V5.3a.8.8 0 0 1 .8-.8h3.2",
  leave: "M6.5 2.5H3.3a.8.8 0 0 0-.8.8v9.4a.8.8 0 0 0 .8.8h3.2M10 5l3 3-3 3M13 8H6",
  python: "M3 4.5 6.5 8 3 11.5M8 12h5",
  empty: "M2.5 9.5 4.5 3h7l2 6.5M2.5 9.5v3.2a.8.8 0 0 0 .8.8h9.4a.8.8 0 0 0 .8-.8V9.5h-3.4L9 11.5H7L5.9 9.5z",
  cut: "M2.5 2.5l11 11M5.2 9.8a4 4 0 0 1 1.9-1.6M2.8 7.2A7.6 7.6 0 0 1 5 5.7M13.2 7.2A7.6 7.6 0 0 0 7.6 4.9M8 13h.01",
  warning: "M8 2.5 14.2 13.3H1.8zM8 6.8v3M8 11.6h.01",
} as const;

export type IconName = keyof typeof PATHS;

/** A picture beside a word; it says nothing by itself. */
export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** Covalent's sign: two that share what is between them. */
export function Sign() {
  return (
    <svg class="sign" viewBox="0 0 32 32" aria-hidden="true">
      <rect class="sign-ground" width="32" height="32" rx="8" />
      <circle class="sign-ring" cx="12.6" cy="16" r="6.3" />
      <circle class="sign-ring" cx="19.4" cy="16" r="6.3" />
      <circle class="sign-bond" cx="16" cy="16" r="1.9" />
    </svg>
  );
}
