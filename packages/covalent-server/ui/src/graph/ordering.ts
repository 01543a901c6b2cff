/** Which vertex stands left of which: layers, bends of long edges, and sweeps that take crossings away. Pure. */

import { type Lists, type Shape, listOf, longestPathRanks, predecessors, range, successors } from "./shape";

/**
 * A graph whose edges all lead from one layer to the next.
 *
 * Vertices from `shape.count` on are the bends of edges that were longer; `bends` has those of each original edge, from
 * above to below.
 */
export interface Layers {
  readonly rank: Uint32Array;
  readonly steps: Shape;
  readonly bends: Lists;
  /** The vertices of each layer, from left to right. */
  readonly order: Uint32Array[];
}

/** With more bends than this for each vertex, long edges are drawn straight instead. */
const MOST_BENDS = 4;
const SWEEPS = 4;

/** Put a graph into layers, in the order in which its vertices are numbered. */
export function layer(shape: Shape): Layers {
  const rank = longestPathRanks(shape);
  const height = rank.reduce((most, each) => Math.max(most, each + 1), 0);
  let wanted = 0;
  for (let edge = 0; edge < shape.from.length; edge++) wanted += rank[shape.to[edge]!]! - rank[shape.from[edge]!]! - 1;
  const bending = wanted <= MOST_BENDS * (shape.count + 500);

  const ranks = Array.from(rank);
  const from: number[] = [];
  const to: number[] = [];
  const start = new Uint32Array(shape.from.length + 1);
  const items: number[] = [];
  for (let edge = 0; edge < shape.from.length; edge++) {
    let above = shape.from[edge]!;
    const below = shape.to[edge]!;
    const long = rank[below]! - rank[above]! > 1;
    if (!long || bending) {
      for (let level = rank[above]! + 1; level < rank[below]!; level++) {
        const bend = ranks.length;
        ranks.push(level);
        items.push(bend);
        from.push(above);
        to.push(bend);
        above = bend;
      }
      from.push(above);
      to.push(below);
    }
    start[edge + 1] = items.length;
  }
  const order: number[][] = Array.from({ length: height }, () => []);
  ranks.forEach((level, vertex) => order[level]!.push(vertex));
  return {
    rank: Uint32Array.from(ranks),
    steps: { count: ranks.length, from: Uint32Array.from(from), to: Uint32Array.from(to) },
    bends: { start, items: Uint32Array.from(items) },
    order: order.map((vertices) => Uint32Array.from(vertices)),
  };
}

/** Sweep down and up, each layer sorted by where its neighbours stand; the order with the fewest crossings is kept. */
export function untangle(layers: Layers): Layers {
  const after = successors(layers.steps);
  const before = predecessors(layers.steps);
  const position = new Float64Array(layers.steps.count);
  const order = layers.order.map((vertices) => vertices.slice());
  for (const vertices of order) place(vertices, position);
  let best = order.map((vertices) => vertices.slice());
  let fewest = crossings(order, after, position);
  for (let sweep = 0; sweep < SWEEPS && fewest > 0; sweep++) {
    for (let level = 1; level < order.length; level++) sortByNeighbours(order[level]!, before, position);
    for (let level = order.length - 2; level >= 0; level--) sortByNeighbours(order[level]!, after, position);
    const left = crossings(order, after, position);
    if (left >= fewest) break;
    fewest = left;
    best = order.map((vertices) => vertices.slice());
  }
  return { ...layers, order: best };
}

function place(vertices: Uint32Array, position: Float64Array): void {
  for (let index = 0; index < vertices.length; index++) position[vertices[index]!] = index;
}

function sortByNeighbours(vertices: Uint32Array, neighbours: Lists, position: Float64Array): void {
  const keys = new Float64Array(vertices.length);
  for (let index = 0; index < vertices.length; index++) {
    const vertex = vertices[index]!;
    const found = listOf(neighbours, vertex);
    let sum = 0;
    for (const neighbour of found) sum += position[neighbour]!;
    // Who has no neighbours there stays where it is.
    keys[index] = found.length === 0 ? index : sum / found.length;
  }
  const sorted = range(vertices.length).sort((a, b) => keys[a]! - keys[b]! || a - b);
  vertices.set(sorted.map((index) => vertices[index]!));
  place(vertices, position);
}

/** How many pairs of edges cross, counted layer by layer with a tree of sums. */
export function crossings(order: readonly Uint32Array[], after: Lists, position: Float64Array): number {
  let total = 0;
  for (let level = 0; level + 1 < order.length; level++) {
    const width = order[level + 1]!.length;
    const tree = new Uint32Array(width + 1);
    let seen = 0;
    for (const vertex of order[level]!) {
      const ends = Array.from(listOf(after, vertex), (next) => position[next]!);
      for (const end of ends) {
        let notRight = 0;
        for (let at = end + 1; at > 0; at -= at & -at) notRight += tree[at]!;
        total += seen - notRight;
      }
      for (const end of ends) for (let at = end + 1; at <= width; at += at & -at) tree[at]!++;
      seen += ends.length;
    }
  }
  return total;
}
