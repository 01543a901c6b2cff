/** Nodes that look alike become one box: how a fan-out of ten thousand tasks is four boxes. Pure functions. */

import { type Lists, type Shape, gather, listOf, longestPathRanks, predecessors, range, successors } from "./shape";

/** Which group each node is in, and which nodes each group has. A node that is like no other is a group of one. */
export interface Groups {
  readonly of: Uint32Array;
  readonly members: Lists;
  readonly count: number;
}

/** Fewer nodes than this are drawn each by itself. */
export const SMALLEST_GROUP = 4;
/** Refining any further changes nothing in graphs that people look at; to stop early only makes groups larger. */
const MOST_ROUNDS = 32;

/**
 * Put nodes together that have the same label and stand equally far from the top and from the bottom, as long as their
 * neighbours are in the same groups, too. (The labels are the functions' numbers.) Every edge still leads down.
 */
export function groupNodes(shape: Shape, labels: Uint32Array, smallest = SMALLEST_GROUP): Groups {
  const after = successors(shape);
  const before = predecessors(shape);
  const ranks = longestPathRanks(shape, after);
  const heights = longestPathRanks({ count: shape.count, from: shape.to, to: shape.from }, before);
  let found = split(number(shape.count, (node) => `${labels[node]}/${ranks[node]}/${heights[node]}`), smallest);
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const { of, members } = found;
    const alone = (node: number): boolean => members.start[of[node]! + 1]! - members.start[of[node]!]! === 1;
    const key = (node: number): string => (alone(node) ? "" : `/${around(of, before, node)}/${around(of, after, node)}`);
    const finer = split(number(shape.count, (node) => `${of[node]}${key(node)}`), smallest);
    if (finer.count === found.count) break;
    found = finer;
  }
  return found;
}

/** Every node by itself. */
export function singly(count: number): Groups {
  const of = range(count);
  return { of, members: gather(count, of, of), count };
}

/** The graph of the groups: an edge where there is one between any of their members. */
export function groupShape(shape: Shape, groups: Groups): Shape {
  const seen = new Set<number>();
  const from: number[] = [];
  const to: number[] = [];
  for (let edge = 0; edge < shape.from.length; edge++) {
    const above = groups.of[shape.from[edge]!]!;
    const below = groups.of[shape.to[edge]!]!;
    const key = above * groups.count + below;
    if (seen.has(key)) continue;
    seen.add(key);
    from.push(above);
    to.push(below);
  }
  return { count: groups.count, from: Uint32Array.from(from), to: Uint32Array.from(to) };
}

interface Numbered {
  readonly of: Uint32Array;
  readonly count: number;
}

function number(count: number, key: (node: number) => string): Numbered {
  const numbers = new Map<string, number>();
  const of = new Uint32Array(count);
  for (let node = 0; node < count; node++) {
    const text = key(node);
    let found = numbers.get(text);
    if (found === undefined) numbers.set(text, (found = numbers.size));
    of[node] = found;
  }
  return { of, count: numbers.size };
}

function around(of: Uint32Array, neighbours: Lists, node: number): string {
  const groups = new Set<number>();
  for (const neighbour of listOf(neighbours, node)) groups.add(of[neighbour]!);
  return [...groups].sort((a, b) => a - b).join(",");
}

/** Take groups apart that are too small to be worth a box of their own. */
function split(found: Numbered, smallest: number): Groups {
  const sizes = new Uint32Array(found.count);
  for (const group of found.of) sizes[group]!++;
  const of = new Uint32Array(found.of.length);
  const numbers = new Map<number, number>();
  let count = 0;
  for (let node = 0; node < of.length; node++) {
    const group = found.of[node]!;
    if (sizes[group]! < smallest) {
      of[node] = count++;
      continue;
    }
    let known = numbers.get(group);
    if (known === undefined) numbers.set(group, (known = count++));
    of[node] = known;
  }
  return { of, members: gather(count, of, range(of.length)), count };
}
