import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

import { STATUSES, ended, toneOf, wordOf } from "../src/parts/status";

const sources = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((name) => /\.tsx?$/.test(name));

test("no source makes markup or code of text", () => {
  const forbidden = /innerHTML|outerHTML|insertAdjacentHTML|dangerouslySetInnerHTML|document\.write|\beval\(|new Function|DOMParser/;
  expect(sources.filter((name) => forbidden.test(readFileSync(join("src", name), "utf8")))).toEqual([]);
});

test("every status has a word of its own", () => {
  expect(new Set(STATUSES.map(wordOf)).size).toBe(STATUSES.length);
  expect(STATUSES.filter(ended).map(toneOf)).toEqual(["completed", "failed", "failed", "cancelled"]);
});
