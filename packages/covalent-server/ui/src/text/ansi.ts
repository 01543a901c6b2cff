/** Lines of what a program printed, with the colours that it asked for and without anything else. Pure. */

/** How a piece of text looks; colours are the sixteen names that the style sheet knows. */
export interface Look {
  readonly color?: number;
  readonly background?: number;
  readonly bold?: boolean;
  readonly dim?: boolean;
  readonly italic?: boolean;
  readonly underline?: boolean;
}

export interface Piece {
  readonly text: string;
  readonly look: Look;
}

const PLAIN: Look = {};
/** Escape sequences: those of colours (ending in m) and all others, which are dropped; so are control characters. */
const SEQUENCE = /\x1b\[([0-9;:]*)m|\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\-_]?|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g;

/** Take a line apart; the second value is how the next one begins. */
export function pieces(line: string, before: Look = PLAIN): [Piece[], Look] {
  const found: Piece[] = [];
  let look = before;
  let at = 0;
  const add = (end: number): void => {
    if (end > at) found.push({ text: line.slice(at, end), look });
  };
  for (const match of line.matchAll(SEQUENCE)) {
    add(match.index);
    at = match.index + match[0].length;
    if (match[1] !== undefined) look = changed(look, match[1]);
  }
  add(line.length);
  return [found, look];
}

/** What is left of a line that a program wrote over again and again, as progress bars do. */
export function overwritten(line: string): string {
  const text = line.endsWith("\r") ? line.slice(0, -1) : line;
  return text.slice(text.lastIndexOf("\r") + 1);
}

function changed(look: Look, parameters: string): Look {
  const codes = parameters.split(/[;:]/).map(Number);
  let now = look;
  for (let index = 0; index < codes.length; index++) {
    const code = codes[index]!;
    if (code === 0) now = PLAIN;
    else if (code === 1) now = { ...now, bold: true };
    else if (code === 2) now = { ...now, dim: true };
    else if (code === 3) now = { ...now, italic: true };
    else if (code === 4) now = { ...now, underline: true };
    else if (code === 22) now = { ...now, bold: false, dim: false };
    else if (code === 23) now = { ...now, italic: false };
    else if (code === 24) now = { ...now, underline: false };
    else if (code >= 30 && code <= 37) now = { ...now, color: code - 30 };
    else if (code >= 90 && code <= 97) now = { ...now, color: code - 82 };
    else if (code >= 40 && code <= 47) now = { ...now, background: code - 40 };
    else if (code >= 100 && code <= 107) now = { ...now, background: code - 92 };
    else if (code === 39) now = without(now, "color");
    else if (code === 49) now = without(now, "background");
    else if (code === 38 || code === 48) {
      const named = codes[index + 1] === 5 ? codes[index + 2]! : undefined;
      index += codes[index + 1] === 5 ? 2 : 4;
      // Of 256 colours the first sixteen have names; the others, and free ones, would not be readable on every ground.
      if (named !== undefined && named < 16) now = { ...now, [code === 38 ? "color" : "background"]: named };
    }
  }
  return now;
}

function without(look: Look, key: "color" | "background"): Look {
  const { [key]: _, ...rest } = look;
  return rest;
}
