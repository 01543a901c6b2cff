/** Where each vertex stands in its layer: as near to its neighbours as the others let it. Pure. */

import { type Layers } from "./ordering";
import { type Lists, listOf, predecessors, successors } from "./shape";

const PASSES = 12;

/** How much more a long line wants to be straight than a box wants to be near another. */
const STRAIGHT = 8;
const STRAIGHT_AT_ITS_ENDS = 2;
/** A bend needs no more room than its line. */
const BEND_WIDTH = 4;

/**
 * Horizontal centres of all vertices; the vertices of a layer keep their order and their distances.
 *
 * Those below `boxes` are `boxWidth` wide, all others are bends; `gap` lies between two at least.
 */
export function placeAcross(layers: Layers, boxes: number, boxWidth: number, gap: number): Float64Array {
  const widthOf = (vertex: number): number => (vertex < boxes ? boxWidth : BEND_WIDTH);
  const after = successors(layers.steps);
  const before = predecessors(layers.steps);
  const across = new Float64Array(layers.steps.count);
  for (const vertices of layers.order) settle(vertices, () => 0, across, widthOf, gap);
  for (let pass = 0; pass < PASSES; pass++) {
    const down = pass % 2 === 0;
    const levels = down ? layers.order : layers.order.toReversed();
    // The last two passes look both ways, so that neither the top nor the bottom alone decides.
    const looked = pass >= PASSES - 2 ? [before, after] : [down ? before : after];
    for (const vertices of levels) settle(vertices, (vertex) => wish(vertex, boxes, looked, across), across, widthOf, gap);
  }
  return across;
}

function wish(vertex: number, boxes: number, neighbours: readonly Lists[], across: Float64Array): number {
  let sum = 0;
  let weights = 0;
  for (const lists of neighbours) {
    for (const neighbour of listOf(lists, vertex)) {
      const bends = Number(vertex >= boxes) + Number(neighbour >= boxes);
      const weight = bends === 2 ? STRAIGHT : bends === 1 ? STRAIGHT_AT_ITS_ENDS : 1;
      sum += across[neighbour]! * weight;
      weights += weight;
    }
  }
  return weights === 0 ? across[vertex]! : sum / weights;
}

/**
 * The nearest places to what is wished for, in the sense of least squares, that keep order and distances.
 *
 * With the distances taken out, that is a regression to a rising sequence: neighbours that would be in each other's way
 * are pooled and stand around their common mean.
 */
function settle(
  vertices: Uint32Array,
  wished: (vertex: number) => number,
  across: Float64Array,
  widthOf: (vertex: number) => number,
  gap: number,
): void {
  const count = vertices.length;
  const offset = new Float64Array(count);
  for (let index = 1; index < count; index++) {
    offset[index] = offset[index - 1]! + (widthOf(vertices[index - 1]!) + widthOf(vertices[index]!)) / 2 + gap;
  }
  const mean = new Float64Array(count);
  const size = new Uint32Array(count);
  let pools = 0;
  for (let index = 0; index < count; index++) {
    mean[pools] = wished(vertices[index]!) - offset[index]!;
    size[pools] = 1;
    pools++;
    while (pools > 1 && mean[pools - 2]! >= mean[pools - 1]!) {
      const left = size[pools - 2]!;
      const right = size[pools - 1]!;
      mean[pools - 2] = (mean[pools - 2]! * left + mean[pools - 1]! * right) / (left + right);
      size[pools - 2] = left + right;
      pools--;
    }
  }
  let index = 0;
  for (let pool = 0; pool < pools; pool++) {
    for (let member = 0; member < size[pool]!; member++, index++) {
      across[vertices[index]!] = mean[pool]! + offset[index]!;
    }
  }
}
