import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { groupNodes, groupShape } from "../src/graph/groups";
import { BOX_HEIGHT, type Question, layOut as layOutWith } from "../src/graph/layout";
import { crossings, layer, untangle } from "../src/graph/ordering";
import { type Shape, listOf, longestPathRanks, successors } from "../src/graph/shape";
import { fanOut, mapReduce } from "./graphs";

const WIDTH = 160;
const layOut = (question: Omit<Question, "boxWidth">) => layOutWith({ ...question, boxWidth: WIDTH });

/** Any graph without circles: edges lead from lower numbers to higher ones, and the numbers are shuffled. */
const graphs = fc
  .tuple(fc.integer({ min: 0, max: 40 }), fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 80 }), fc.infiniteStream(fc.nat(1000)))
  .map(([count, pairs, chances]): { shape: Shape; labels: Uint32Array } => {
    const places = Array.from({ length: count }, (_, index) => index)
      .map((index) => [chances.next().value as number, index] as const)
      .sort((a, b) => a[0] - b[0])
      .map(([, index]) => index);
    const edges = pairs
      .map(([a, b]) => (count > 0 ? [a % count, b % count] : [0, 0]))
      .filter(([a, b]) => a !== b)
      .map(([a, b]) => [places[Math.min(a!, b!)]!, places[Math.max(a!, b!)]!] as const);
    return {
      shape: { count, from: Uint32Array.from(edges, ([a]) => a), to: Uint32Array.from(edges, ([, b]) => b) },
      labels: Uint32Array.from({ length: count }, () => (chances.next().value as number) % 3),
    };
  });

describe("a layout", () => {
  test("has every edge point down", () => {
    fc.assert(
      fc.property(graphs, fc.boolean(), ({ shape, labels }, grouped) => {
        const found = layOut({ shape, labels, grouped });
        found.shape.from.forEach((above, edge) => {
          expect(found.y[found.shape.to[edge]!]!).toBeGreaterThan(found.y[above]! + BOX_HEIGHT);
        });
      }),
    );
  });

  test("has no two boxes overlap", () => {
    fc.assert(
      fc.property(graphs, fc.boolean(), ({ shape, labels }, grouped) => {
        const { x, y } = layOut({ shape, labels, grouped });
        for (let one = 0; one < x.length; one++) {
          for (let other = 0; other < one; other++) {
            if (y[one] === y[other]) expect(Math.abs(x[one]! - x[other]!)).toBeGreaterThan(WIDTH);
          }
        }
      }),
    );
  });

  test("lies within its width and height, from the origin on", () => {
    fc.assert(
      fc.property(graphs, ({ shape, labels }) => {
        const { x, y, width, height, bendPoints } = layOut({ shape, labels, grouped: false });
        const across = [...x, ...x.map((left) => left + WIDTH), ...bendPoints.filter((_, index) => index % 2 === 0)];
        for (const each of across) expect(each).toBeGreaterThanOrEqual(-0.001);
        for (const each of across) expect(each).toBeLessThanOrEqual(width + 0.001);
        for (const top of y) expect(top + BOX_HEIGHT).toBeLessThanOrEqual(height);
      }),
    );
  });

  test("is the same for the same graph", () => {
    fc.assert(
      fc.property(graphs, ({ shape, labels }) => {
        expect(layOut({ shape, labels, grouped: true })).toEqual(layOut({ shape, labels, grouped: true }));
      }),
    );
  });

  test("of a graph with a circle is refused", () => {
    const shape = { count: 2, from: Uint32Array.of(0, 1), to: Uint32Array.of(1, 0) };
    expect(() => layOut({ shape, labels: new Uint32Array(2), grouped: false })).toThrow("circle");
  });
});

describe("groups", () => {
  test("part the nodes: each is in one, and a group has one label and one rank", () => {
    fc.assert(
      fc.property(graphs, ({ shape, labels }) => {
        const ranks = longestPathRanks(shape);
        const groups = groupNodes(shape, labels, 2);
        const seen: number[] = [];
        for (let group = 0; group < groups.count; group++) {
          const members = [...listOf(groups.members, group)];
          expect(members.length).toBeGreaterThan(0);
          expect(new Set(members.map((node) => labels[node])).size).toBe(1);
          expect(new Set(members.map((node) => ranks[node])).size).toBe(1);
          for (const node of members) expect(groups.of[node]).toBe(group);
          seen.push(...members);
        }
        expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: shape.count }, (_, node) => node));
      }),
    );
  });

  test("have all their members beside the same groups", () => {
    fc.assert(
      fc.property(graphs, ({ shape, labels }) => {
        const groups = groupNodes(shape, labels, 2);
        const after = successors(shape);
        for (let group = 0; group < groups.count; group++) {
          const beside = [...listOf(groups.members, group)].map((node) =>
            JSON.stringify([...new Set([...listOf(after, node)].map((next) => groups.of[next]!))].sort((a, b) => a - b)),
          );
          expect(new Set(beside).size).toBe(1);
        }
      }),
    );
  });

  test("of a fan-out are its stages", () => {
    const { shape, labels } = mapReduce(1000);
    const groups = groupNodes(shape, labels);
    expect(groups.count).toBe(4);
    expect(groupShape(shape, groups).from.length).toBe(3);
  });

  test("are not made of a few nodes", () => {
    const { shape, labels } = fanOut(3);
    expect(groupNodes(shape, labels).count).toBe(shape.count);
  });
});

test("untangling never makes more crossings", () => {
  fc.assert(
    fc.property(graphs, ({ shape }) => {
      const before = layer(shape);
      const count = (layers: typeof before): number => {
        const position = new Float64Array(layers.steps.count);
        for (const vertices of layers.order) vertices.forEach((vertex, index) => (position[vertex] = index));
        return crossings(layers.order, successors(layers.steps), position);
      };
      expect(count(untangle(before))).toBeLessThanOrEqual(count(before));
    }),
  );
});
