/** The graph of a dispatch: a picture, and the same as an outline that is gone through with the keyboard. */

import { type Signal, signal, useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";

import { type Columns, countStatuses, letterAt, nameAt, statusOf } from "../../api/columns";
import { askForLayout } from "../../graph/asking";
import { type Face } from "../../graph/drawing";
import { type Layout } from "../../graph/layout";
import { readPalette } from "../../graph/palette";
import { listOf } from "../../graph/shape";
import { GraphView } from "../../graph/view";
import { type Tree, Grid } from "../../parts/grid";
import { Icon, type IconName } from "../../parts/icons";
import { Empty, Loading, Trouble } from "../../parts/notices";
import { roomy, systemDark, theme } from "../../parts/screen";
import { StatusText, progressText, wordOf } from "../../parts/status";
import { go, place, to, withQuery } from "../../routes";
import { counted } from "../../text/format";
import { type DispatchModel } from "./model";

/** Graphs up to this size are drawn node by node unless one asks for groups. */
const DRAWN_SINGLY = 24;

interface Props {
  readonly model: DispatchModel;
  readonly node: number | undefined;
}

export function GraphTab({ model, node }: Props) {
  const columns = model.graph.value.value;
  const error = model.graph.error.value;
  if (columns === undefined) return error === undefined ? <Loading lines={6} /> : <Trouble error={error} again={() => void model.graph.load()} />;
  if (columns.count === 0) return <Empty title="No tasks">This workflow called no electrons: its value came from the lattice itself.</Empty>;
  return <Graph model={model} columns={columns} node={node} />;
}

function Graph({ model, columns, node }: Props & { readonly columns: Columns }) {
  const grouped = place.value.query.get("draw") === "all" ? false : columns.count > DRAWN_SINGLY;
  const layout = useSignal<Layout | undefined>(undefined);
  const failure = useSignal("");
  const outline = useSignal(roomy.value);
  useEffect(() => {
    let current = true;
    layout.value = undefined;
    askForLayout({ shape: columns.shape, labels: columns.name, grouped, boxWidth: widthFor(columns, grouped) }).then(
      (found) => {
        if (current) layout.value = found;
      },
      (reason: unknown) => {
        if (current) failure.value = String(reason);
      },
    );
    return () => {
      current = false;
    };
  }, [columns, grouped]);

  if (failure.value !== "") return <Empty title="The graph could not be drawn">{failure.value}</Empty>;
  return (
    <div class={outline.value ? "graph graph-outlined" : "graph"}>
      <Picture model={model} columns={columns} layout={layout} node={node} grouped={grouped} outline={outline} />
      {outline.value && <Outline model={model} columns={columns} layout={layout.value} node={node} />}
    </div>
  );
}

interface PictureProps extends Props {
  readonly columns: Columns;
  readonly layout: Signal<Layout | undefined>;
  readonly grouped: boolean;
  readonly outline: Signal<boolean>;
}

function Picture({ model, columns, layout, node, grouped, outline }: PictureProps) {
  const surface = useRef<HTMLDivElement>(null);
  const edges = useRef<HTMLCanvasElement>(null);
  const boxes = useRef<HTMLCanvasElement>(null);
  const view = useRef<GraphView | undefined>(undefined);
  const faces = useMemo(() => new Map<number, Face>(), [layout.value, columns]);

  useEffect(() => {
    if (surface.current === null || edges.current === null || boxes.current === null) return undefined;
    const made = new GraphView(surface.current, edges.current, boxes.current, {
      faceOf: (box) => {
        const shown = layout.peek();
        let face = faces.get(box);
        if (face === undefined && shown !== undefined) faces.set(box, (face = faceOf(model, columns, shown, box)));
        return face ?? { name: "", count: 1, sublattice: false, counts: new Map() };
      },
      onPick: (box) => {
        const shown = layout.peek();
        if (shown !== undefined && box >= 0) pick(model, columns, shown, box);
      },
    });
    view.current = made;
    made.paint(readPalette(surface.current));
    if (layout.value !== undefined) made.show(layout.value);
    const forget = model.onRepaint((positions) => {
      const shown = layout.peek();
      if (shown === undefined) return;
      const changed = new Set(positions === null ? shown.groups.of : positions.map((position) => shown.groups.of[position]!));
      for (const box of changed) faces.delete(box);
      made.changed(changed);
    });
    return () => {
      forget();
      made.end();
    };
  }, [faces, model]);
  useEffect(() => {
    const position = node === undefined ? undefined : columns.positionOf.get(node);
    view.current?.select(position === undefined ? -1 : (layout.value?.groups.of[position] ?? -1));
  }, [node, faces]);
  useSignalEffect(() => {
    theme.value;
    systemDark.value;
    if (surface.current !== null) view.current?.paint(readPalette(surface.current));
  });
  const summary = useComputed(() => {
    const shape = `${counted(columns.count, "task")} of ${counted(columns.names.length, "function")}`;
    return `Graph of ${shape}. ${progressText(model.counts.value)}. The outline has the same tasks for the keyboard.`;
  });

  const groupsPossible = columns.count > DRAWN_SINGLY;
  return (
    <div class="picture" ref={surface}>
      <canvas ref={edges} class="picture-layer" aria-hidden="true" />
      <canvas ref={boxes} class="picture-layer" role="img" aria-label={summary.value} />
      {layout.value === undefined && <Loading />}
      <div class="picture-tools" role="toolbar" aria-label="The picture">
        <Tool icon="plus" label="Nearer" onClick={() => view.current?.zoom(1.3)} />
        <Tool icon="minus" label="Farther" onClick={() => view.current?.zoom(1 / 1.3)} />
        <Tool icon="fit" label="All of it" onClick={() => view.current?.fit()} />
        {groupsPossible && (
          <Tool
            icon={grouped ? "expand" : "collapse"}
            label={grouped ? "Draw every task" : "Draw groups"}
            onClick={() => go(withQuery({ draw: grouped ? "all" : null }), true)}
          />
        )}
        <Tool icon="outline" label="Outline" pressed={outline.value} onClick={() => (outline.value = !outline.value)} />
      </div>
    </div>
  );
}

interface ToolProps {
  readonly icon: IconName;
  readonly label: string;
  readonly onClick: () => void;
  readonly pressed?: boolean;
}

function Tool({ icon, label, onClick, pressed }: ToolProps) {
  return (
    <button
      type="button"
      class="icon-button"
      title={label}
      aria-label={label}
      aria-pressed={pressed}
      onPointerDown={(event) => event.stopPropagation()}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  );
}

/** As wide as most names ask for; longer ones are cut. */
function widthFor(columns: Columns, grouped: boolean): number {
  const lengths = Array.from(columns.name, (name) => columns.names[name]!.length).sort((a, b) => a - b);
  const usual = lengths[Math.floor(lengths.length * 0.6)] ?? 0;
  return Math.max(grouped ? 176 : 144, Math.min(208, 72 + usual * 7.5));
}

function faceOf(model: DispatchModel, columns: Columns, layout: Layout, box: number): Face {
  const members = listOf(layout.groups.members, box);
  const first = members[0]!;
  const name = nameAt(columns, first);
  return {
    name: members.length > 1 ? `${name} × ${members.length.toLocaleString("en-US")}` : `${name}(${columns.ids[first]!})`,
    count: members.length,
    sublattice: columns.kinds[columns.kind[first]!] === "sublattice",
    counts: countStatuses(model.states, members),
  };
}

/** Open a node, or of a group the one that one would want to see: the first that failed, or else the first. */
function pick(model: DispatchModel, columns: Columns, layout: Layout, box: number): void {
  const members = listOf(layout.groups.members, box);
  const failed = members.find((position) => letterAt(model.states, position) === "F");
  openTask(model.id, columns.ids[failed ?? members[0]!]!);
}

function openTask(dispatch: string, node: number): void {
  const kept = place.peek().query.get("draw");
  go(to(["dispatches", dispatch, "graph", node], { draw: kept }));
}

interface Row {
  readonly key: string;
  readonly box: number;
  /** Undefined for a group's own row. */
  readonly position: number | undefined;
}

interface OutlineProps extends Props {
  readonly columns: Columns;
  readonly layout: Layout | undefined;
}

function Outline({ model, columns, layout, node }: OutlineProps) {
  const opened = useMemo(() => signal<ReadonlySet<number>>(new Set()), [layout]);
  const position = node === undefined ? undefined : columns.positionOf.get(node);
  const selectedBox = position === undefined ? undefined : layout?.groups.of[position];
  useEffect(() => {
    if (selectedBox !== undefined) opened.value = new Set([...opened.peek(), selectedBox]);
  }, [selectedBox, opened]);
  const order = useMemo(() => (layout === undefined ? [] : inOrder(layout)), [layout]);
  const rows = useMemo(() => (layout === undefined ? [] : rowsOf(layout, columns, order, opened.value)), [layout, order, opened.value]);
  model.version.value;
  if (layout === undefined) return <Loading />;

  const members = (row: Row): Uint32Array => listOf(layout.groups.members, row.box);
  const tree: Tree<Row> = {
    levelOf: (row) => (row.position !== undefined && members(row).length > 1 ? 2 : 1),
    openOf: (row) => (row.position === undefined ? opened.value.has(row.box) : undefined),
    onToggle: (row) => {
      const next = new Set(opened.value);
      if (!next.delete(row.box)) next.add(row.box);
      opened.value = next;
    },
  };
  const title = (row: Row): string => {
    if (row.position !== undefined) return `${nameAt(columns, row.position)}(${columns.ids[row.position]!})`;
    return `${nameAt(columns, members(row)[0]!)} × ${members(row).length.toLocaleString("en-US")}`;
  };
  return (
    <div class="outline">
      <Grid<Row>
        label="Outline of the graph"
        rows={rows}
        rowHeight={34}
        keyOf={(row) => row.key}
        textOf={title}
        selected={node === undefined ? undefined : `node ${node}`}
        tree={tree}
        onOpen={(row) => (row.position === undefined ? tree.onToggle(row) : openTask(model.id, columns.ids[row.position]!))}
        columns={[
          {
            title: "Task",
            width: "minmax(0, 1fr)",
            cell: (row) => (
              <span class={tree.levelOf(row) === 2 ? "outline-name outline-inner" : "outline-name"}>
                {row.position === undefined && (
                  <span class={opened.value.has(row.box) ? "outline-twist outline-open" : "outline-twist"}>
                    <Icon name="right" />
                  </span>
                )}
                <span class="cut">{title(row)}</span>
              </span>
            ),
          },
          {
            title: "Status",
            width: "8.5rem",
            cell: (row) =>
              row.position === undefined ? (
                <span class="muted cut">{groupWord(countStatuses(model.states, members(row)))}</span>
              ) : (
                <StatusText status={statusOf(letterAt(model.states, row.position))} />
              ),
          },
        ]}
      />
    </div>
  );
}

function groupWord(counts: ReturnType<typeof countStatuses>): string {
  const [only] = [...counts.keys()];
  if (counts.size === 1 && only !== undefined) return `all ${wordOf(only).toLowerCase()}`;
  const failed = counts.get("FAILED") ?? 0;
  if (failed > 0) return `${failed.toLocaleString("en-US")} failed`;
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  return `${(counts.get("COMPLETED") ?? 0).toLocaleString("en-US")} of ${total.toLocaleString("en-US")}`;
}

/** Boxes as one reads them: from above to below, from left to right. */
function inOrder({ x, y }: Layout): number[] {
  return Array.from(x.keys()).sort((a, b) => y[a]! - y[b]! || x[a]! - x[b]!);
}

function rowsOf(layout: Layout, columns: Columns, order: readonly number[], opened: ReadonlySet<number>): Row[] {
  const rows: Row[] = [];
  for (const box of order) {
    const members = listOf(layout.groups.members, box);
    if (members.length > 1) rows.push({ key: `group ${box}`, box, position: undefined });
    if (members.length === 1 || opened.has(box)) {
      for (const position of members) rows.push({ key: `node ${columns.ids[position]!}`, box, position });
    }
  }
  return rows;
}
