/** A table, or a tree, of any length that is gone through with the keyboard alone: one stop for Tab, arrows inside. */

import { type ComponentChildren, type JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";

import { narrow } from "./screen";
import { useWindow } from "./window";

export interface Column<Row> {
  readonly title: string;
  /** As in `grid-template-columns`. */
  readonly width: string;
  readonly cell: (row: Row) => ComponentChildren;
  /** Not shown where there is no room for it. */
  readonly wideOnly?: boolean;
  /** Figures stand at the right. */
  readonly end?: boolean;
}

/** What makes a tree of it. */
export interface Tree<Row> {
  readonly levelOf: (row: Row) => number;
  /** Undefined for a row that has nothing below it. */
  readonly openOf: (row: Row) => boolean | undefined;
  readonly onToggle: (row: Row) => void;
}

interface Props<Row> {
  readonly label: string;
  readonly rows: readonly Row[];
  readonly columns: readonly Column<Row>[];
  readonly keyOf: (row: Row) => string;
  /** What typing letters looks for. */
  readonly textOf: (row: Row) => string;
  readonly onOpen: (row: Row) => void;
  readonly selected?: string | undefined;
  readonly tree?: Tree<Row>;
  readonly rowHeight?: number;
  readonly onEnd?: () => void;
  readonly headless?: boolean;
}

const HEAD = 34;
const PAGE = 10;
const TYPING = 700;

export function Grid<Row>(props: Props<Row>) {
  const { label, rows, keyOf, onOpen, tree, rowHeight = narrow.value ? 52 : 44, onEnd, headless = false } = props;
  const id = useId();
  const columns = props.columns.filter((column) => !(narrow.value && column.wideOnly));
  const head = headless ? 0 : HEAD;
  const { element, first, last, show } = useWindow(rows.length, rowHeight, head);
  const [active, setActive] = useState(0);
  const typed = useRef({ text: "", at: 0 });
  const shown = useRef<string>();
  const current = Math.min(active, rows.length - 1);

  useEffect(() => {
    if (shown.current === props.selected) return;
    const index = rows.findIndex((row) => keyOf(row) === props.selected);
    if (index < 0) return;
    shown.current = props.selected;
    setActive(index);
    show(index);
  }, [props.selected, rows.length]);
  useEffect(() => {
    if (onEnd !== undefined && last >= rows.length - 2) onEnd();
  }, [last, rows.length]);

  const move = (index: number): void => {
    const next = Math.max(0, Math.min(rows.length - 1, index));
    setActive(next);
    show(next);
  };
  const find = (letter: string): void => {
    const at = Date.now();
    const text = at - typed.current.at > TYPING ? letter : typed.current.text + letter;
    typed.current = { text, at };
    const from = text.length > 1 ? current : current + 1;
    for (let step = 0; step < rows.length; step++) {
      const index = (from + step) % rows.length;
      if (props.textOf(rows[index]!).toLowerCase().startsWith(text.toLowerCase())) return move(index);
    }
  };
  const onKeyDown = (event: JSX.TargetedKeyboardEvent<HTMLDivElement>): void => {
    const row = rows[current];
    if (row === undefined || event.ctrlKey || event.metaKey || event.altKey || event.target !== event.currentTarget) return;
    const open = tree?.openOf(row);
    if (event.key === "ArrowDown") move(current + 1);
    else if (event.key === "ArrowUp") move(current - 1);
    else if (event.key === "PageDown") move(current + PAGE);
    else if (event.key === "PageUp") move(current - PAGE);
    else if (event.key === "Home") move(0);
    else if (event.key === "End") move(rows.length - 1);
    else if (event.key === "Enter" || event.key === " ") onOpen(row);
    else if (event.key === "ArrowRight" && open === false) tree?.onToggle(row);
    else if (event.key === "ArrowLeft" && open === true) tree?.onToggle(row);
    else if (event.key === "ArrowLeft" && tree !== undefined) move(parentOf(rows, current, tree));
    else if (event.key.length === 1) find(event.key);
    else return;
    event.preventDefault();
  };

  return (
    <div
      ref={element}
      class="grid"
      role={tree === undefined ? "grid" : "treegrid"}
      aria-label={label}
      aria-rowcount={rows.length + (headless ? 0 : 1)}
      aria-activedescendant={rows.length > 0 ? `${id}-${current}` : undefined}
      tabIndex={0}
      style={{ "--columns": columns.map((column) => column.width).join(" "), "--row": `${rowHeight}px` }}
      onKeyDown={onKeyDown}
    >
      <div role="rowgroup" class={headless ? "unseen" : "grid-head"}>
        <div role="row" class="grid-row" aria-rowindex={1}>
          {columns.map((column) => (
            <div key={column.title} role="columnheader" class={column.end ? "grid-end" : ""}>
              {column.title}
            </div>
          ))}
        </div>
      </div>
      <div role="rowgroup" class="grid-body" style={{ height: `${rows.length * rowHeight}px` }}>
        {around(first, last, current).map((index) => {
          const row = rows[index];
          if (row === undefined) return null;
          return (
            <div
              key={keyOf(row)}
              id={`${id}-${index}`}
              role="row"
              class={index === current ? "grid-row grid-active" : "grid-row"}
              aria-rowindex={index + 2}
              aria-selected={keyOf(row) === props.selected}
              aria-level={tree?.levelOf(row)}
              aria-expanded={tree?.openOf(row)}
              style={{ transform: `translateY(${index * rowHeight}px)` }}
              onClick={(event) => {
                setActive(index);
                if (!(event.target instanceof Element) || event.target.closest("a, button, input") === null) onOpen(row);
              }}
            >
              {columns.map((column) => (
                <div key={column.title} role="gridcell" class={column.end ? "grid-end" : ""}>
                  {column.cell(row)}
                </div>
              ))}
            </div>
          );
        })}
      </div>
    </div>
  );
}

/** The rows that are in the document: what is seen, and the one that the keyboard is on. */
function around(first: number, last: number, current: number): number[] {
  const shown = Array.from({ length: Math.max(0, last - first) }, (_, index) => first + index);
  return current < 0 || (current >= first && current < last) ? shown : [...shown, current];
}

function parentOf<Row>(rows: readonly Row[], index: number, tree: Tree<Row>): number {
  const level = tree.levelOf(rows[index]!);
  for (let above = index - 1; above >= 0; above--) if (tree.levelOf(rows[above]!) < level) return above;
  return index;
}
