/** Moving and zooming with mouse, touch, pen and wheel. */

import { type Camera, zoom } from "./camera";

interface Gestures {
  readonly camera: () => Camera;
  readonly onCamera: (camera: Camera) => void;
  /** A click or tap that moved nothing, at a point of the view. */
  readonly onPick: (x: number, y: number) => void;
  readonly onPoint: (x: number, y: number) => void;
}

/** A pointer that has moved less than this has not moved anything. */
const STEADY = 4;

/** Let a surface be moved by hand; the function that is given back ends that. */
export function followGestures(surface: HTMLElement, { camera, onCamera, onPick, onPoint }: Gestures): () => void {
  const pointers = new Map<number, { x: number; y: number }>();
  let moved = 0;
  const end = new AbortController();
  const options = { signal: end.signal };

  const at = (event: MouseEvent): { x: number; y: number } => {
    const box = surface.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  surface.addEventListener(
    "pointerdown",
    (event) => {
      if (event.button !== 0) return;
      if (pointers.size === 0) moved = 0;
      pointers.set(event.pointerId, at(event));
      surface.setPointerCapture(event.pointerId);
    },
    options,
  );
  surface.addEventListener(
    "pointermove",
    (event) => {
      const next = at(event);
      const before = pointers.get(event.pointerId);
      if (before === undefined) return onPoint(next.x, next.y);
      moved += Math.abs(next.x - before.x) + Math.abs(next.y - before.y);
      const other = [...pointers.entries()].find(([id]) => id !== event.pointerId)?.[1];
      const seen = camera();
      if (other === undefined) {
        if (moved >= STEADY) onCamera({ ...seen, x: seen.x + next.x - before.x, y: seen.y + next.y - before.y });
      } else {
        const far = (point: { x: number; y: number }): number => Math.max(1, Math.hypot(point.x - other.x, point.y - other.y));
        onCamera(zoom(seen, far(next) / far(before), other));
      }
      pointers.set(event.pointerId, next);
    },
    options,
  );
  const lift = (event: PointerEvent): void => {
    if (!pointers.delete(event.pointerId)) return;
    const point = at(event);
    if (event.type === "pointerup" && moved < STEADY && pointers.size === 0) onPick(point.x, point.y);
  };
  surface.addEventListener("pointerup", lift, options);
  surface.addEventListener("pointercancel", lift, options);
  surface.addEventListener("pointerleave", () => onPoint(-1, -1), options);
  surface.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
      const seen = camera();
      if (event.ctrlKey || event.metaKey || !event.shiftKey) onCamera(zoom(seen, Math.exp(-event.deltaY * unit * (event.ctrlKey ? 0.01 : 0.0016)), at(event)));
      else onCamera({ ...seen, x: seen.x - (event.deltaX || event.deltaY) * unit });
    },
    { ...options, passive: false },
  );
  return () => end.abort();
}
