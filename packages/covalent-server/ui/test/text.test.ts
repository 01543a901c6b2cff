import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { overwritten, pieces } from "../src/text/ansi";
import { ago, counted, duration, size } from "../src/text/format";
import { essence, getResult, tokens, traceback } from "../src/text/python";
import { shown } from "../src/text/templates";

describe("what a program printed", () => {
  test("keeps its colours and loses everything else", () => {
    const [found] = pieces("\x1b[1;31mred\x1b[0m plain \x1b[2Kgone\x1b]0;title\x07 \x1b[38;5;2mgreen");
    expect(found.map((piece) => piece.text).join("")).toBe("red plain gone green");
    expect(found[0]!.look).toEqual({ bold: true, color: 1 });
    expect(found.at(-1)!.look).toEqual({ color: 2 });
  });

  test("goes on in the colour in which the line before it ended", () => {
    const [, look] = pieces("\x1b[34mblue");
    expect(pieces("still", look)[0][0]!.look).toEqual({ color: 4 });
  });

  test("never has a control character left", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (line) => {
        const text = pieces(line)[0].map((piece) => piece.text).join("");
        expect(text).not.toMatch(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/);
      }),
    );
  });

  test("is what was written last over a line", () => {
    expect(overwritten("10 %\r50 %\r100 %")).toBe("100 %");
    expect(overwritten("as on Windows\r")).toBe("as on Windows");
  });
});

test.each([
  [0, "0 ms"],
  [0.0004, "< 1 ms"],
  [0.034, "34 ms"],
  [0.347, "350 ms"],
  [4.24, "4.2 s"],
  [59.6, "1 min"],
  [190, "3 min 10 s"],
  [7200, "2 h"],
  [90_000, "1 d 1 h"],
])("%d seconds are %s", (seconds, text) => expect(duration(seconds)).toBe(text));

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1 kB"],
  [1234, "1.2 kB"],
  [999_999, "1 MB"],
  [40_000_000, "40 MB"],
])("%d bytes are %s", (bytes, text) => expect(size(bytes)).toBe(text));

test("times are told from here", () => {
  expect(ago(1)).toBe("just now");
  expect(ago(300)).toBe("5 min ago");
  expect(ago(-7200)).toBe("in 2 h");
  expect(counted(1, "task")).toBe("1 task");
  expect(counted(10_000, "task")).toBe("10,000 tasks");
});

describe("Python's texts", () => {
  const error = 'Traceback (most recent call last):\n  File "x.py", line 3, in f\n    raise ValueError("no")\nValueError: no\n';

  test("a traceback's frames, code and error are told apart", () => {
    expect(traceback(error).map((line) => line.kind)).toEqual(["other", "frame", "code", "error"]);
  });

  test("an error's essence is its last line that stands at the left", () => {
    expect(essence(error)).toBe("ValueError: no");
    expect(essence("")).toBe("");
  });

  test("source in pieces is the same source", () => {
    fc.assert(
      fc.property(fc.string(), (source) => {
        expect(tokens(source).map((token) => token.text).join("")).toBe(source);
      }),
    );
    expect(tokens('@ct.electron\ndef f(x=1): return "a"  # b').filter((token) => token.kind !== "plain").map((token) => token.kind)).toEqual([
      "decorator",
      "keyword",
      "number",
      "keyword",
      "string",
      "comment",
    ]);
  });

  test("a program that gets a result quotes what it is given", () => {
    expect(getResult('a"b', "http://localhost:1")).toContain('ct.get_result("a\\"b", wait=True');
  });
});

describe("a template", () => {
  const nameOf = (node: number): string => `f(${node})`;

  test("is shown as one would write it", () => {
    const template = { list: [{ node: 3, path: [["item", 0], ["attr", "x"]] }, { value: true }, { dict: [[{ value: "k" }, { asset: "d" }]] }] };
    const assets = [{ digest: "d", size: 1, object_string: "a crystal" }];
    expect(shown(template, assets, nameOf)).toBe('[f(3)[0].x, True, {"k": a crystal}]');
  });

  test("of any form is shown as something", () => {
    fc.assert(fc.property(fc.jsonValue(), (template) => void shown(template, [], nameOf)));
  });
});
