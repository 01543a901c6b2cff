/** From a graph's columns to places on a plane: ranks downwards, sweeps across. Pure; runs in a worker. */

import { type Groups, groupNodes, groupShape, singly } from "./groups";
import { layer, untangle } from "./ordering";
import { placeAcross } from "./placing";
import { type Shape, listOf } from "./shape";

export const BOX_HEIGHT = 46;
const GAP = 20;
const LEVEL = BOX_HEIGHT + 46;

/** What is to be laid out; `labels` says which nodes are of one function. */
export interface Question {
  readonly shape: Shape;
  readonly labels: Uint32Array;
  readonly grouped: boolean;
  /** How wide a box is; what is written on it decides. */
  readonly boxWidth: number;
}

/** A graph with its places, in columns again; a box is a group of nodes, often of one. */
export interface Layout {
  readonly groups: Groups;
  /** The edges between boxes. */
  readonly shape: Shape;
  readonly boxWidth: number;
  /** Left and upper edges of the boxes. */
  readonly x: Float64Array;
  readonly y: Float64Array;
  /** The points through which each edge goes between its ends: x and y in turn. */
  readonly bendStart: Uint32Array;
  readonly bendPoints: Float64Array;
  readonly width: number;
  readonly height: number;
}

/** Lay a graph out. */
export function layOut({ shape, labels, grouped, boxWidth }: Question): Layout {
  const groups = grouped ? groupNodes(shape, labels) : singly(shape.count);
  const boxes = groupShape(shape, groups);
  const layers = untangle(layer(boxes));
  const across = placeAcross(layers, boxes.count, boxWidth, GAP);

  const x = new Float64Array(boxes.count);
  const y = new Float64Array(boxes.count);
  let left = Infinity;
  let right = -Infinity;
  for (const each of across) {
    left = Math.min(left, each);
    right = Math.max(right, each);
  }
  const shift = boxes.count === 0 ? 0 : boxWidth / 2 - left;
  for (let box = 0; box < boxes.count; box++) {
    x[box] = across[box]! + shift - boxWidth / 2;
    y[box] = layers.rank[box]! * LEVEL;
  }
  const bendStart = new Uint32Array(boxes.from.length + 1);
  const bendPoints = new Float64Array(layers.bends.items.length * 2);
  let at = 0;
  for (let edge = 0; edge < boxes.from.length; edge++) {
    for (const bend of listOf(layers.bends, edge)) {
      bendPoints[at++] = across[bend]! + shift;
      bendPoints[at++] = layers.rank[bend]! * LEVEL + BOX_HEIGHT / 2;
    }
    bendStart[edge + 1] = at;
  }
  return {
    groups,
    shape: boxes,
    boxWidth,
    x,
    y,
    bendStart,
    bendPoints,
    width: boxes.count === 0 ? 0 : right - left + boxWidth,
    height: boxes.count === 0 ? 0 : (layers.order.length - 1) * LEVEL + BOX_HEIGHT,
  };
}
