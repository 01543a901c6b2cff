/** A dispatch's graph and how its nodes stand, in arrays: read from an answer, kept up to date by events. Pure. */

import { type Shape } from "../graph/shape";
import { type ColumnsAnswer, type Event, type Status } from "./records";

/** How the server knows a node to stand, by the letter that it sends. */
export const STATES = {
  W: "waiting",
  Y: "ready",
  L: "leased",
  P: "preparing",
  R: "running",
  D: "delayed",
  S: "dispatching",
  T: "left_to_client",
  C: "completed",
  F: "failed",
  X: "cancelled",
  B: "blocked",
} as const;

export type Letter = keyof typeof STATES;

const STATUSES: Record<Letter, Status> = {
  W: "NEW_OBJECT",
  Y: "NEW_OBJECT",
  L: "NEW_OBJECT",
  D: "NEW_OBJECT",
  T: "NEW_OBJECT",
  B: "NEW_OBJECT",
  P: "DISPATCHING",
  S: "DISPATCHING",
  R: "RUNNING",
  C: "COMPLETED",
  F: "FAILED",
  X: "CANCELLED",
};

const LETTERS = new Map<string, Letter>(Object.entries(STATES).map(([letter, state]) => [state, letter as Letter]));

/** Nodes by their position in the graph. */
export interface Columns {
  readonly count: number;
  readonly ids: Uint32Array;
  readonly names: readonly string[];
  readonly name: Uint32Array;
  readonly kinds: readonly string[];
  readonly kind: Uint32Array;
  readonly shape: Shape;
  readonly positionOf: ReadonlyMap<number, number>;
}

/** Make arrays of an answer. */
export function readColumns(answer: ColumnsAnswer): Columns {
  const ids = summed(answer.ids);
  return {
    count: answer.count,
    ids,
    names: answer.names,
    name: Uint32Array.from(answer.name),
    kinds: answer.kinds,
    kind: Uint32Array.from(answer.kind),
    shape: { count: answer.count, from: Uint32Array.from(answer.sources), to: summed(answer.targets) },
    positionOf: new Map(Array.from(ids, (id, position) => [id, position])),
  };
}

function summed(differences: readonly number[]): Uint32Array {
  let sum = 0;
  return Uint32Array.from(differences, (difference) => (sum += difference));
}

/** The name of the node at a position. */
export function nameAt(columns: Columns, position: number): string {
  return columns.names[columns.name[position]!]!;
}

/** How the nodes stand: one letter's code each, and the last event that is in it. */
export interface States {
  readonly letters: Uint8Array;
  sequence: number;
}

export function readStates(answer: { readonly sequence: number; readonly states: string }): States {
  return { letters: Uint8Array.from(answer.states, (letter) => letter.charCodeAt(0)), sequence: answer.sequence };
}

export function letterAt(states: States, position: number): Letter {
  return String.fromCharCode(states.letters[position]!) as Letter;
}

/** What users call the state of a letter. */
export function statusOf(letter: Letter): Status {
  return STATUSES[letter];
}

/** Take events over into the states; the positions that stand otherwise now. */
export function applyEvents(columns: Columns, states: States, events: readonly Event[]): number[] {
  const changed = new Set<number>();
  for (const event of events) {
    if (event.sequence <= states.sequence) continue;
    states.sequence = event.sequence;
    const position = columns.positionOf.get(event.node_id ?? -1);
    const letter = event.kind.startsWith("node.") ? LETTERS.get(event.kind.slice(5)) : undefined;
    if (position === undefined || letter === undefined) continue;
    const code = letter.charCodeAt(0);
    if (states.letters[position] === code) continue;
    states.letters[position] = code;
    changed.add(position);
  }
  return [...changed];
}

/** How many nodes have each status. */
export function countStatuses(states: States, positions?: Iterable<number>): Map<Status, number> {
  const counts = new Map<Status, number>();
  const add = (position: number): void => {
    const status = statusOf(letterAt(states, position));
    counts.set(status, (counts.get(status) ?? 0) + 1);
  };
  if (positions === undefined) for (let position = 0; position < states.letters.length; position++) add(position);
  else for (const position of positions) add(position);
  return counts;
}
