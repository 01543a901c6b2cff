import { bench, describe } from "vitest";

import { layOut } from "../src/graph/layout";
import { fanOut, mapReduce, tangle } from "./graphs";

describe("laying out 10,000 nodes", () => {
  const cases = { "a fan-out": fanOut(9998), "pairs in a row": mapReduce(4999), "a tangle": tangle(100, 100) };
  for (const [name, question] of Object.entries(cases)) {
    bench(`${name}, in groups`, () => void layOut({ ...question, grouped: true, boxWidth: 160 }), { time: 1000 });
    bench(`${name}, each by itself`, () => void layOut({ ...question, grouped: false, boxWidth: 160 }), { time: 1000 });
  }
});
