/** A directed graph in columns, and what is read off its edges. Pure functions on typed arrays. */

/** Vertices are the numbers below `count`; edge `e` goes from `from[e]` to `to[e]`. */
export interface Shape {
  readonly count: number;
  readonly from: Uint32Array;
  readonly to: Uint32Array;
}

/** Lists of numbers, one after the other: those of `i` are `items[start[i]] … items[start[i + 1] - 1]`. */
export interface Lists {
  readonly start: Uint32Array;
  readonly items: Uint32Array;
}

/** The items of a list, without copying them. */
export function listOf(lists: Lists, index: number): Uint32Array {
  return lists.items.subarray(lists.start[index], lists.start[index + 1]);
}

/** Sort numbers into `count` lists by a key each; within a list the order stays. */
export function gather(count: number, keys: Uint32Array, values: Uint32Array): Lists {
  const start = new Uint32Array(count + 1);
  for (const key of keys) start[key + 1]!++;
  for (let index = 0; index < count; index++) start[index + 1]! += start[index]!;
  const next = start.slice(0, count);
  const items = new Uint32Array(keys.length);
  for (let index = 0; index < keys.length; index++) items[next[keys[index]!]!++] = values[index]!;
  return { start, items };
}

/** For each vertex the vertices that come right after it. */
export const successors = (shape: Shape): Lists => gather(shape.count, shape.from, shape.to);

/** For each vertex the vertices that come right before it. */
export const predecessors = (shape: Shape): Lists => gather(shape.count, shape.to, shape.from);

/** The numbers from 0 on. */
export function range(count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, index) => index);
}

/** How far each vertex is from the top, counted along the longest way to it. Throws for a graph with a circle. */
export function longestPathRanks(shape: Shape, after: Lists = successors(shape)): Uint32Array {
  const waiting = new Uint32Array(shape.count);
  for (const vertex of shape.to) waiting[vertex]!++;
  const queue = new Uint32Array(shape.count);
  let end = 0;
  for (let vertex = 0; vertex < shape.count; vertex++) if (waiting[vertex] === 0) queue[end++] = vertex;
  const ranks = new Uint32Array(shape.count);
  for (let at = 0; at < end; at++) {
    const vertex = queue[at]!;
    for (const next of listOf(after, vertex)) {
      ranks[next] = Math.max(ranks[next]!, ranks[vertex]! + 1);
      if (--waiting[next]! === 0) queue[end++] = next;
    }
  }
  if (end !== shape.count) throw new Error("the graph has a circle");
  return ranks;
}
