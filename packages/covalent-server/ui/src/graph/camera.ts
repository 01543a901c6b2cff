/** What part of the plane is seen, and how large. Pure. */

/** A point of the plane is seen at `point * scale + shift`, in CSS pixels. */
export interface Camera {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

const LARGEST = 2;
const SMALLEST = 0.005;
const MARGIN = 32;
const LEAST_FIT = 0.1;
/** What is revealed at a smaller scale than this is shown at the other. */
const READABLE = 0.6;
const CLOSE = 0.8;

/** All of the plane, not larger than life; of one that would be a mere hair, its upper middle. */
export function fit(plane: Size, view: Size): Camera {
  const across = (view.width - 2 * MARGIN) / Math.max(1, plane.width);
  const down = (view.height - 2 * MARGIN) / Math.max(1, plane.height);
  const scale = Math.max(LEAST_FIT, Math.min(across, down, 1));
  return { scale, x: (view.width - plane.width * scale) / 2, y: Math.max(MARGIN, (view.height - plane.height * scale) / 2) };
}

/** Nearer or farther, with the point of the view that is given staying where it is. */
export function zoom(camera: Camera, factor: number, at: { readonly x: number; readonly y: number }): Camera {
  const scale = clamp(camera.scale * factor);
  const ratio = scale / camera.scale;
  return { scale, x: at.x - (at.x - camera.x) * ratio, y: at.y - (at.y - camera.y) * ratio };
}

/** The least that has to be moved for a box to be seen; one that is seen leaves the camera as it is. */
export function reveal(camera: Camera, box: Size & { readonly x: number; readonly y: number }, view: Size): Camera {
  const scale = camera.scale < READABLE ? CLOSE : camera.scale;
  const looking = scale === camera.scale ? camera : { x: view.width / 2 - (box.x + box.width / 2) * scale, y: view.height / 2 - (box.y + box.height / 2) * scale, scale };
  return {
    scale,
    x: looking.x + pushed(looking.x + box.x * scale, box.width * scale, view.width),
    y: looking.y + pushed(looking.y + box.y * scale, box.height * scale, view.height),
  };
}

function pushed(start: number, length: number, room: number): number {
  if (start < MARGIN) return MARGIN - start;
  if (start + length > room - MARGIN) return room - MARGIN - start - length;
  return 0;
}

const clamp = (scale: number): number => Math.max(SMALLEST, Math.min(LARGEST, scale));
