/** Python that does what a page shows, and the parts of Python's own texts. Pure. */

/** What gets a dispatch's result in a script or notebook. */
export function getResult(dispatchId: string, server: string): string {
  return [
    "import covalent as ct",
    "",
    `result = ct.get_result(${quoted(dispatchId)}, wait=True, dispatcher_addr=${quoted(server)})`,
    "print(result.status)",
    "value = result.result  # opened here, so its packages have to be installed",
    "",
  ].join("\n");
}

/** A string as Python writes it; JSON's escapes are Python's, too. */
const quoted = (text: string): string => JSON.stringify(text);

export interface TracebackLine {
  readonly kind: "frame" | "code" | "error" | "other";
  readonly text: string;
}

/** The lines of a traceback with what each of them is. */
export function traceback(text: string): TracebackLine[] {
  return text
    .replace(/\n+$/, "")
    .split("\n")
    .map((line) => ({ kind: kindOf(line), text: line }));
}

function kindOf(line: string): TracebackLine["kind"] {
  if (/^\s+File ".*", line \d+/.test(line)) return "frame";
  if (/^\s/.test(line)) return "code";
  return /^[\w.]+(Error|Exception|Exit|Interrupt|Warning|Group)?(:|$)/.test(line) && !line.startsWith("Traceback") ? "error" : "other";
}

/** The line of a traceback, or of any message, that says most: the last that is not indented. */
export function essence(text: string): string {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return (lines.findLast((line) => !/^\s/.test(line)) ?? lines.at(-1) ?? "").trim();
}

export interface Token {
  readonly kind: "keyword" | "string" | "comment" | "number" | "decorator" | "plain";
  readonly text: string;
}

const TOKEN =
  /(?<comment>#[^\n]*)|(?<string>(?:\b[rbfuRBFU]{1,2})?(?:"""[\s\S]*?(?:"""|$)|'''[\s\S]*?(?:'''|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?))|(?<decorator>^[ \t]*@[\w.]+)|(?<keyword>\b(?:False|None|True|and|as|assert|async|await|break|case|class|continue|def|del|elif|else|except|finally|for|from|global|if|import|in|is|lambda|match|nonlocal|not|or|pass|raise|return|try|while|with|yield)\b)|(?<number>\b\d[\w.]*)/gm;

/** Source text in pieces that a style sheet can colour. */
export function tokens(source: string): Token[] {
  const found: Token[] = [];
  let at = 0;
  for (const match of source.matchAll(TOKEN)) {
    if (match.index > at) found.push({ kind: "plain", text: source.slice(at, match.index) });
    const kind = Object.entries(match.groups ?? {}).find(([, text]) => text !== undefined)?.[0] ?? "plain";
    found.push({ kind: kind as Token["kind"], text: match[0] });
    at = match.index + match[0].length;
  }
  if (at < source.length) found.push({ kind: "plain", text: source.slice(at) });
  return found;
}
