import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { STATES, applyEvents, countStatuses, letterAt, readColumns, readStates, statusOf } from "../src/api/columns";
import { type ColumnsAnswer, type Event } from "../src/api/records";

const answer: ColumnsAnswer = {
  sequence: 10,
  count: 3,
  ids: [5, 1, 4],
  names: ["f", "g"],
  name: [0, 1, 1],
  kinds: ["task"],
  kind: [0, 0, 0],
  sources: [0, 0],
  targets: [1, 1],
  states: "CRW",
};

const happened = (sequence: number, node: number | null, kind: string): Event => ({ sequence, at: 0, kind, node_id: node });

test("ids and targets are sums of what is sent", () => {
  const columns = readColumns(answer);
  expect([...columns.ids]).toEqual([5, 6, 10]);
  expect([...columns.shape.to]).toEqual([1, 2]);
  expect(columns.positionOf.get(10)).toBe(2);
});

describe("events", () => {
  test("change the states of their nodes and say which those are", () => {
    const columns = readColumns(answer);
    const states = readStates(answer);
    expect(applyEvents(columns, states, [happened(11, 6, "node.completed"), happened(12, 10, "node.running")])).toEqual([1, 2]);
    expect(letterAt(states, 1)).toBe("C");
    expect(letterAt(states, 2)).toBe("R");
    expect(states.sequence).toBe(12);
  });

  test("that are in the states already change nothing", () => {
    const states = readStates(answer);
    expect(applyEvents(readColumns(answer), states, [happened(10, 6, "node.failed")])).toEqual([]);
    expect(letterAt(states, 1)).toBe("R");
  });

  test("of other things are passed over", () => {
    const events = [happened(11, null, "dispatch.running"), happened(12, 99, "node.failed"), happened(13, 6, "node.unheard-of")];
    expect(applyEvents(readColumns(answer), readStates(answer), events)).toEqual([]);
  });

  test("give the same states in one piece and in many", () => {
    const kinds = Object.values(STATES).map((state) => `node.${state}`);
    const events = fc
      .array(fc.tuple(fc.constantFrom(5, 6, 10), fc.constantFrom(...kinds)), { maxLength: 30 })
      .map((pairs) => pairs.map(([node, kind], index) => happened(11 + index, node, kind)));
    fc.assert(
      fc.property(events, fc.nat(30), (all, cut) => {
        const columns = readColumns(answer);
        const whole = readStates(answer);
        const pieces = readStates(answer);
        applyEvents(columns, whole, all);
        applyEvents(columns, pieces, all.slice(0, cut));
        applyEvents(columns, pieces, all.slice(Math.max(0, cut - 3)));
        expect(pieces).toEqual(whole);
      }),
    );
  });
});

test("counts are by the status that users know", () => {
  const states = readStates({ sequence: 0, states: "WYLDTBPSRCFX" });
  expect(Object.fromEntries(countStatuses(states))).toEqual({
    NEW_OBJECT: 6,
    DISPATCHING: 2,
    RUNNING: 1,
    COMPLETED: 1,
    FAILED: 1,
    CANCELLED: 1,
  });
  expect(statusOf("B")).toBe("NEW_OBJECT");
});
