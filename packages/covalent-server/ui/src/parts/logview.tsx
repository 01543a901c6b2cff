/** A log on the page: rows of one height from a pool, or plain text that wraps; the end is followed while one is there. */

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

import { address, get } from "../api/client";
import { type SearchAnswer } from "../api/records";
import { useResource } from "../api/resource";
import { type Piece } from "../text/ansi";
import { counted, size } from "../text/format";
import { Field } from "./fields";
import { Icon } from "./icons";
import { Log, type LogLine } from "./log";
import { Trouble } from "./notices";
import { useWindow } from "./window";

const ROW = 20;
/** A reader who is this near to the end wants to see more of it. */
const NEAR = 40;

interface Props {
  /** The stream's path in the API. */
  readonly path: string;
  readonly label: string;
  readonly attempt?: number;
  readonly tall?: boolean;
}

export function LogView({ path, label, attempt, tall = false }: Props) {
  const log = useMemo(() => new Log(path, attempt), [path, attempt]);
  useEffect(() => log.follow(), [log]);
  const [plain, setPlain] = useState(false);
  const [text, setText] = useState("");
  log.version.value;
  const state = log.state.value;
  const error = log.error.value;
  const lines = log.open === undefined ? log.lines : [...log.lines, log.open];
  if (error !== undefined && lines.length === 0) return <Trouble error={error} />;
  if (state === "loading") return <p class="log-note" role="status">Reading …</p>;
  if (lines.length === 0) {
    return <p class="log-note">{state === "settled" ? `Nothing was printed to ${label}.` : `Nothing was printed to ${label} yet.`}</p>;
  }
  return (
    <div class={tall ? "log log-tall" : "log"}>
      <div class="log-bar">
        <span class="log-facts">
          {counted(lines.length, "line")}, {size(log.end)}
          {state === "open" && <span class="log-live">live</span>}
        </span>
        {log.begin > 0 && (
          <button type="button" class="link-button" onClick={() => log.readAll()}>
            the first {size(log.begin)} are not shown: show all
          </button>
        )}
        <span class="log-tools">
          <Field label={`Search in ${label}`} kind="search" value={text} onChange={setText} />
          <button type="button" class="button button-small" aria-pressed={plain} onClick={() => setPlain(!plain)}>
            Wrap
          </button>
          <a class="icon-button" href={address(path, { attempt })} download={`${label}.txt`} title={`Download ${label}`} aria-label={`Download ${label}`}>
            <Icon name="download" />
          </a>
        </span>
      </div>
      {text !== "" && <Matches path={path} attempt={attempt} text={text} />}
      {plain ? (
        <pre class="log-plain" tabIndex={0} aria-label={label}>
          {lines.map((line) => line.map((piece) => piece.text).join("")).join("\n")}
        </pre>
      ) : (
        <Rows lines={lines} label={label} numbered={log.begin === 0} />
      )}
    </div>
  );
}

interface RowsProps {
  readonly lines: readonly LogLine[];
  readonly label: string;
  /** Whether the first of the lines is the first that was printed. */
  readonly numbered: boolean;
}

function Rows({ lines, label, numbered }: RowsProps) {
  const { element, first, last } = useWindow(lines.length, ROW);
  const following = useRef(true);
  useLayoutEffect(() => {
    const box = element.current;
    if (box === null) return;
    if (following.current) box.scrollTop = box.scrollHeight;
  }, [lines.length]);
  return (
    <div
      ref={element}
      class="log-rows"
      tabIndex={0}
      role="log"
      aria-live="off"
      aria-label={label}
      onScroll={({ currentTarget: box }) => {
        following.current = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR;
      }}
    >
      <div class="log-pool" style={{ height: `${lines.length * ROW}px` }}>
        {lines.slice(first, last).map((line, index) => (
          <div key={(first + index) % 4096} class="log-line" style={{ transform: `translateY(${(first + index) * ROW}px)` }}>
            <span class="log-number">{numbered ? first + index + 1 : ""}</span>
            <span>
              {line.map((piece, at) => (
                <Colored key={at} piece={piece} />
              ))}
            </span>
          </div>
        ))}
      </div>
    </div>
  );
}

function Colored({ piece: { text, look } }: { readonly piece: Piece }) {
  const classes = [
    look.color !== undefined && `ansi-${look.color}`,
    look.background !== undefined && `ansi-on-${look.background}`,
    look.bold && "ansi-bold",
    look.dim && "ansi-dim",
    look.italic && "ansi-italic",
    look.underline && "ansi-underline",
  ].filter(Boolean);
  return classes.length === 0 ? <>{text}</> : <span class={classes.join(" ")}>{text}</span>;
}

interface MatchesProps {
  readonly path: string;
  readonly attempt: number | undefined;
  readonly text: string;
}

function Matches({ path, attempt, text }: MatchesProps) {
  const { value, error } = useResource(
    (cancelled) => get<SearchAnswer>(`${path}/search`, { text, attempt, limit: 200 }, cancelled),
    [path, attempt, text],
  );
  if (error.value !== undefined) return <Trouble error={error.value} />;
  if (value.value === undefined) return null;
  const { matches, more } = value.value;
  return (
    <div class="log-matches" role="region" aria-label={`Lines with ${text}`} tabIndex={0}>
      <p class="muted" role="status">
        {matches.length === 0 ? "No line has it." : `${more ? "The first " : ""}${counted(matches.length, "line")}`}
      </p>
      {matches.map((match) => (
        <div key={match.offset} class="log-match">
          <span class="log-number">{match.line}</span>
          <span>{match.text}</span>
        </div>
      ))}
    </div>
  );
}
