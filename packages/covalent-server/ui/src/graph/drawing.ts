/** Drawing a layout on two canvases: lines below, boxes above, so that a box is repainted without its surroundings. */

import { type Status } from "../api/records";
import { SHAPES, STATUSES, type Tone, toneOf, wordOf } from "../parts/status";
import { type Camera, type Size } from "./camera";
import { BOX_HEIGHT, type Layout } from "./layout";

/** Colours of the theme, read from the style sheet. */
export interface Palette {
  readonly surface: string;
  readonly line: string;
  readonly edge: string;
  readonly text: string;
  readonly muted: string;
  readonly accent: string;
  readonly tones: Readonly<Record<Tone, { readonly strong: string; readonly soft: string }>>;
  readonly font: string;
}

/** What is written on a box. */
export interface Face {
  readonly name: string;
  /** How many nodes it stands for. */
  readonly count: number;
  readonly sublattice: boolean;
  readonly counts: ReadonlyMap<Status, number>;
}

export interface Scene {
  readonly layout: Layout;
  readonly palette: Palette;
  readonly faceOf: (box: number) => Face;
  readonly selected: number;
  readonly pointed: number;
}

/** Below these scales words, and then curves, would be noise. */
const WORDS_FROM = 0.38;
const CURVES_FROM = 0.16;
/** From afar, lines lie over each other: of more than so many, every second or third says the same. */
const MOST_LINES = 4000;
const RADIUS = 9;
const OUTLINES = new Map<string, Path2D>();

/** Which statuses decide how a group looks: the first that any member has. */
const LOUDEST: readonly Status[] = ["FAILED", "RUNNING", "DISPATCHING", "CANCELLED", "NEW_OBJECT", "COMPLETED"];

/** The status that a box is painted in. */
function loudest(counts: ReadonlyMap<Status, number>): Status {
  const waiting = (counts.get("NEW_OBJECT") ?? 0) > 0;
  // Of a group that is under way people want to see that, not that others of it still wait.
  if (waiting && (counts.get("COMPLETED") ?? 0) > 0 && !counts.has("FAILED") && !counts.has("CANCELLED")) return "RUNNING";
  return LOUDEST.find((status) => (counts.get(status) ?? 0) > 0) ?? "NEW_OBJECT";
}

function begin(context: CanvasRenderingContext2D, camera: Camera, ratio: number): void {
  context.setTransform(camera.scale * ratio, 0, 0, camera.scale * ratio, camera.x * ratio, camera.y * ratio);
}

/** Draw the lines that can be seen. */
export function drawEdges(context: CanvasRenderingContext2D, scene: Scene, camera: Camera, view: Size, ratio: number): void {
  const { layout, palette } = scene;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, context.canvas.width, context.canvas.height);
  begin(context, camera, ratio);
  const top = -camera.y / camera.scale;
  const bottom = top + view.height / camera.scale;
  const left = -camera.x / camera.scale;
  const right = left + view.width / camera.scale;
  const plain = new Path2D();
  const lit = new Path2D();
  const { shape, x, y, bendStart } = layout;
  const stride = camera.scale >= CURVES_FROM ? 1 : Math.max(1, Math.floor(shape.from.length / MOST_LINES));
  for (let edge = 0; edge < shape.from.length; edge += stride) {
    const from = shape.from[edge]!;
    const to = shape.to[edge]!;
    if (y[to]! < top || y[from]! + BOX_HEIGHT > bottom) continue;
    const bent = bendStart[edge + 1]! > bendStart[edge]!;
    const low = Math.min(x[from]!, x[to]!);
    const high = Math.max(x[from]!, x[to]!) + layout.boxWidth;
    if (!bent && (high < left || low > right)) continue;
    const path = from === scene.selected || to === scene.selected || from === scene.pointed || to === scene.pointed ? lit : plain;
    trace(path, layout, edge, camera.scale >= CURVES_FROM);
  }
  const width = Math.max(1.25, 0.7 / camera.scale);
  context.lineWidth = width;
  context.strokeStyle = palette.edge;
  context.stroke(plain);
  context.lineWidth = width * 1.5;
  context.strokeStyle = palette.accent;
  context.stroke(lit);
}

function trace(path: Path2D, layout: Layout, edge: number, curved: boolean): void {
  const { shape, x, y, bendStart, bendPoints, boxWidth } = layout;
  const from = shape.from[edge]!;
  const to = shape.to[edge]!;
  let lastX = x[from]! + boxWidth / 2;
  let lastY = y[from]! + BOX_HEIGHT;
  path.moveTo(lastX, lastY);
  const go = (nextX: number, nextY: number): void => {
    const middle = (lastY + nextY) / 2;
    if (curved) path.bezierCurveTo(lastX, middle, nextX, middle, nextX, nextY);
    else path.lineTo(nextX, nextY);
    lastX = nextX;
    lastY = nextY;
  };
  for (let at = bendStart[edge]!; at < bendStart[edge + 1]!; at += 2) {
    // Past a layer the line runs straight, as long as the boxes beside it are high.
    go(bendPoints[at]!, bendPoints[at + 1]! - BOX_HEIGHT / 2);
    path.lineTo(lastX, (lastY += BOX_HEIGHT));
  }
  go(x[to]! + boxWidth / 2, y[to]!);
}

/** Draw boxes: all that can be seen, or those of `only`. */
export function drawBoxes(
  context: CanvasRenderingContext2D,
  scene: Scene,
  camera: Camera,
  view: Size,
  ratio: number,
  only?: Iterable<number>,
): void {
  const { x, y, boxWidth } = scene.layout;
  if (only === undefined) {
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, context.canvas.width, context.canvas.height);
  }
  begin(context, camera, ratio);
  const left = -camera.x / camera.scale - boxWidth;
  const top = -camera.y / camera.scale - BOX_HEIGHT;
  const right = left + view.width / camera.scale + boxWidth;
  const bottom = top + view.height / camera.scale + BOX_HEIGHT;
  const draw = (box: number): void => {
    if (x[box]! < left || x[box]! > right || y[box]! < top || y[box]! > bottom) return;
    if (only !== undefined) context.clearRect(x[box]! - 4, y[box]! - 4, boxWidth + 8, BOX_HEIGHT + 8);
    if (camera.scale < WORDS_FROM) drawSmall(context, scene, box, camera.scale >= CURVES_FROM);
    else drawBox(context, scene, box);
  };
  if (only === undefined) for (let box = 0; box < x.length; box++) draw(box);
  else for (const box of only) draw(box);
}

function outline(context: CanvasRenderingContext2D, { x, y, boxWidth }: Layout, box: number, grow = 0): void {
  context.beginPath();
  context.roundRect(x[box]! - grow, y[box]! - grow, boxWidth + 2 * grow, BOX_HEIGHT + 2 * grow, RADIUS + grow);
}

function drawSmall(context: CanvasRenderingContext2D, scene: Scene, box: number, rounded: boolean): void {
  const { x, y, boxWidth } = scene.layout;
  context.fillStyle = scene.palette.tones[toneOf(loudest(scene.faceOf(box).counts))].strong;
  if (rounded) {
    outline(context, scene.layout, box);
    context.fill();
  } else {
    context.fillRect(x[box]!, y[box]!, boxWidth, BOX_HEIGHT);
  }
  if (box === scene.selected) ring(context, scene, box);
}

function ring(context: CanvasRenderingContext2D, scene: Scene, box: number): void {
  outline(context, scene.layout, box, 2);
  context.lineWidth = 2.5;
  context.strokeStyle = scene.palette.accent;
  context.stroke();
}

function drawBox(context: CanvasRenderingContext2D, scene: Scene, box: number): void {
  const { palette, layout } = scene;
  const x = layout.x[box]!;
  const y = layout.y[box]!;
  const face = scene.faceOf(box);
  const status = loudest(face.counts);
  const tone = palette.tones[toneOf(status)];

  if (face.count > 1) {
    // A second card behind the first: there are several.
    context.beginPath();
    context.roundRect(x + 5, y + 3.5, layout.boxWidth - 10, BOX_HEIGHT, RADIUS);
    context.fillStyle = palette.surface;
    context.fill();
    context.lineWidth = 1;
    context.strokeStyle = palette.line;
    context.stroke();
  }
  outline(context, layout, box);
  context.fillStyle = palette.surface;
  context.fill();
  context.fillStyle = tone.soft;
  context.fill();
  context.lineWidth = box === scene.pointed ? 2 : 1.25;
  context.strokeStyle = status === "NEW_OBJECT" ? palette.line : tone.strong;
  context.stroke();
  if (box === scene.selected) ring(context, scene, box);

  drawMark(context, status, palette, x + 12, y + BOX_HEIGHT / 2 - 8);
  context.textBaseline = "middle";
  context.fillStyle = palette.text;
  context.font = `550 13px ${palette.font}`;
  const room = layout.boxWidth - 50;
  context.fillText(cut(context, face.name, room), x + 37, y + 16.5);
  context.font = `11.5px ${palette.font}`;
  context.fillStyle = face.count > 1 || status === "NEW_OBJECT" ? palette.muted : tone.strong;
  if (face.count > 1) {
    const text = `${(face.counts.get("COMPLETED") ?? 0).toLocaleString("en-US")} / ${face.count.toLocaleString("en-US")}`;
    context.fillText(text, x + 37, y + 32);
    drawBar(context, scene, face, x + 44 + context.measureText(text).width, y + 29.5, x + layout.boxWidth - 12);
  } else {
    context.fillText(cut(context, face.sublattice ? `${wordOf(status)} · sublattice` : wordOf(status), room), x + 37, y + 32);
  }
}

function drawBar(context: CanvasRenderingContext2D, scene: Scene, face: Face, left: number, top: number, right: number): void {
  const width = right - left;
  context.save();
  context.beginPath();
  context.roundRect(left, top, width, 5, 2.5);
  context.clip();
  context.fillStyle = scene.palette.line;
  context.fillRect(left, top, width, 5);
  let at = left;
  for (const status of STATUSES) {
    const count = face.counts.get(status) ?? 0;
    if (count === 0 || status === "NEW_OBJECT") continue;
    context.fillStyle = scene.palette.tones[toneOf(status)].strong;
    context.fillRect(at, top, (count / face.count) * width, 5);
    at += (count / face.count) * width;
  }
  context.restore();
}

function pathOf(data: string): Path2D {
  let found = OUTLINES.get(data);
  if (found === undefined) OUTLINES.set(data, (found = new Path2D(data)));
  return found;
}

function drawMark(context: CanvasRenderingContext2D, status: Status, palette: Palette, x: number, y: number): void {
  const { ground, mark, dashed } = SHAPES[toneOf(status)];
  const color = palette.tones[toneOf(status)].strong;
  context.save();
  context.translate(x, y);
  context.lineWidth = 1.7;
  context.lineCap = "round";
  context.lineJoin = "round";
  if (ground !== undefined) {
    context.fillStyle = color;
    context.fill(pathOf(ground));
  }
  if (dashed) context.setLineDash([2.6, 2.1]);
  context.strokeStyle = ground === undefined ? color : palette.surface;
  context.stroke(pathOf(mark));
  context.restore();
}

const CUTS = new Map<string, string>();

/** A text as far as there is room for it. */
function cut(context: CanvasRenderingContext2D, name: string, room: number): string {
  const key = `${context.font} ${room} ${name}`;
  const known = CUTS.get(key);
  if (known !== undefined) return known;
  let text = name.length > 200 ? name.slice(0, 200) : name;
  if (context.measureText(text).width > room) {
    while (text.length > 1 && context.measureText(`${text}…`).width > room) text = text.slice(0, -1);
    text += "…";
  }
  if (CUTS.size > 5000) CUTS.clear();
  CUTS.set(key, text);
  return text;
}
