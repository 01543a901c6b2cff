/** Graphs that tests and measurements share. */

import { type Question } from "../src/graph/layout";

type Made = Omit<Question, "grouped" | "boxWidth">;

function made(labels: number[], edges: [number, number][]): Made {
  return {
    shape: {
      count: labels.length,
      from: Uint32Array.from(edges, ([from]) => from),
      to: Uint32Array.from(edges, ([, to]) => to),
    },
    labels: Uint32Array.from(labels),
  };
}

/** One task, then many of another function, then one that takes all of their values. */
export function fanOut(width: number): Made {
  const edges: [number, number][] = [];
  for (let index = 1; index <= width; index++) edges.push([0, index], [index, width + 1]);
  return made([0, ...Array.from({ length: width }, () => 1), 2], edges);
}

/** One task, then many pairs in a row, then one that takes all of their values. */
export function mapReduce(width: number): Made {
  const edges: [number, number][] = [];
  for (let index = 1; index <= width; index++) edges.push([0, index], [index, index + width], [index + width, 2 * width + 1]);
  return made([0, ...Array.from({ length: width }, () => 1), ...Array.from({ length: width }, () => 2), 3], edges);
}

/** Layers of tasks that take values from three tasks above, in no order. */
export function tangle(layers: number, width: number): Made {
  const edges: [number, number][] = [];
  let chance = 1;
  const next = (): number => (chance = (chance * 48271) % 2147483647);
  for (let level = 1; level < layers; level++) {
    for (let index = 0; index < width; index++) {
      for (let edge = 0; edge < 3; edge++) edges.push([(level - 1) * width + (next() % width), level * width + index]);
    }
  }
  return made(Array.from({ length: layers * width }, (_, index) => index % 7), edges);
}
