/** A traceback, with what one looks for in it standing out. */

import { traceback } from "../text/python";

export function TracebackView({ text }: { readonly text: string }) {
  return (
    <pre class="traceback" tabIndex={0} aria-label="Traceback">
      {traceback(text).map((line, index) => (
        <span key={index} class={`traceback-${line.kind}`}>
          {line.text}
          {"\n"}
        </span>
      ))}
    </pre>
  );
}
