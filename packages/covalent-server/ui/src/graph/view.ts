/** The picture of a graph: canvases that are painted when something has changed, and only what has. */

import { type Camera, type Size, fit, reveal, zoom } from "./camera";
import { type Face, type Palette, drawBoxes, drawEdges } from "./drawing";
import { followGestures } from "./gestures";
import { BOX_HEIGHT, type Layout } from "./layout";

interface Wishes {
  readonly faceOf: (box: number) => Face;
  readonly onPick: (box: number) => void;
}

export class GraphView {
  #layout: Layout | undefined;
  #palette: Palette | undefined;
  #camera: Camera = { x: 0, y: 0, scale: 1 };
  #size: Size = { width: 0, height: 0 };
  #selected = -1;
  #pointed = -1;
  /** Whether the reader has moved it: then it is left where it is. */
  #touched = false;
  #all = false;
  readonly #changed = new Set<number>();
  #frame = 0;
  readonly #end: (() => void)[] = [];

  constructor(
    readonly surface: HTMLElement,
    readonly edges: HTMLCanvasElement,
    readonly boxes: HTMLCanvasElement,
    readonly wishes: Wishes,
  ) {
    const observer = new ResizeObserver(() => this.#resize());
    observer.observe(surface);
    this.#end.push(
      () => observer.disconnect(),
      followGestures(surface, {
        camera: () => this.#camera,
        onCamera: (camera) => this.#look(camera, true),
        onPick: (x, y) => wishes.onPick(this.#boxAt(x, y)),
        onPoint: (x, y) => this.#point(this.#boxAt(x, y)),
      }),
    );
  }

  /** Show a layout; the same graph with other groups is looked at anew. */
  show(layout: Layout): void {
    this.#layout = layout;
    this.#touched = false;
    this.#pointed = -1;
    this.#resize();
  }

  paint(palette: Palette): void {
    this.#palette = palette;
    this.#repaint();
  }

  select(box: number): void {
    if (box === this.#selected) return;
    this.#selected = box;
    this.#reveal();
    this.#repaint();
  }

  /** These boxes look otherwise now. */
  changed(boxes: Iterable<number>): void {
    for (const box of boxes) this.#changed.add(box);
    this.#schedule();
  }

  zoom(factor: number): void {
    this.#look(zoom(this.#camera, factor, { x: this.#size.width / 2, y: this.#size.height / 2 }), true);
  }

  fit(): void {
    if (this.#layout !== undefined) this.#look(fit(this.#layout, this.#size), false);
  }

  end(): void {
    cancelAnimationFrame(this.#frame);
    for (const end of this.#end) end();
  }

  #reveal(): void {
    if (this.#selected < 0 || this.#layout === undefined || this.#size.width === 0) return;
    const { x, y, boxWidth: width } = this.#layout;
    this.#camera = reveal(this.#camera, { x: x[this.#selected]!, y: y[this.#selected]!, width, height: BOX_HEIGHT }, this.#size);
  }

  #look(camera: Camera, touched: boolean): void {
    this.#camera = camera;
    this.#touched = touched;
    this.#repaint();
  }

  #point(box: number): void {
    if (box === this.#pointed) return;
    this.#pointed = box;
    this.surface.classList.toggle("pointing", box >= 0);
    this.#repaint();
  }

  #boxAt(viewX: number, viewY: number): number {
    if (this.#layout === undefined) return -1;
    const x = (viewX - this.#camera.x) / this.#camera.scale;
    const y = (viewY - this.#camera.y) / this.#camera.scale;
    const { x: lefts, y: tops, boxWidth } = this.#layout;
    for (let box = 0; box < lefts.length; box++) {
      if (x >= lefts[box]! && x <= lefts[box]! + boxWidth && y >= tops[box]! && y <= tops[box]! + BOX_HEIGHT) return box;
    }
    return -1;
  }

  #resize(): void {
    const { clientWidth: width, clientHeight: height } = this.surface;
    this.#size = { width, height };
    for (const canvas of [this.edges, this.boxes]) {
      canvas.width = Math.round(width * devicePixelRatio);
      canvas.height = Math.round(height * devicePixelRatio);
    }
    if (this.#layout !== undefined && !this.#touched) {
      this.#camera = fit(this.#layout, this.#size);
      this.#reveal();
    }
    this.#repaint();
  }

  #repaint(): void {
    this.#all = true;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#draw());
  }

  #draw(): void {
    this.#frame = 0;
    const edges = this.edges.getContext("2d");
    const boxes = this.boxes.getContext("2d");
    if (this.#layout === undefined || this.#palette === undefined || edges === null || boxes === null) return;
    const scene = {
      layout: this.#layout,
      palette: this.#palette,
      faceOf: this.wishes.faceOf,
      selected: this.#selected,
      pointed: this.#pointed,
    };
    if (this.#all) drawEdges(edges, scene, this.#camera, this.#size, devicePixelRatio);
    drawBoxes(boxes, scene, this.#camera, this.#size, devicePixelRatio, this.#all ? undefined : this.#changed);
    this.#all = false;
    this.#changed.clear();
  }
}
