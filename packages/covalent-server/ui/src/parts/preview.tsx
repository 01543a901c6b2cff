/** Values that the page has not opened: what their writers claim of them, and the way to the bytes. */

import { address } from "../api/client";
import { type AssetDescription } from "../api/records";
import { size } from "../text/format";
import { tokens } from "../text/python";
import { Copy } from "./actions";
import { Icon } from "./icons";

function pretty(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json;
  }
}

/** A value's preview, type, size and digest, and a link to its bytes. */
export function Preview({ asset, name }: { readonly asset: AssetDescription; readonly name: string }) {
  const text = asset.json ? pretty(asset.json) : asset.object_string;
  return (
    <figure class="preview">
      {text ? (
        <pre class="preview-text" tabIndex={0} aria-label={name}>
          {text}
        </pre>
      ) : (
        <p class="preview-none">Its writer left no preview.</p>
      )}
      <figcaption class="preview-facts">
        <span class="preview-claim" title="The program that wrote the value says so; the server opens no values.">
          claimed by its writer
        </span>
        {asset.type_name && <code>{asset.type_name}</code>}
        <span class="figures">{size(asset.size)}</span>
        <span class="preview-digest">
          <code title={`sha256 ${asset.digest}`}>{asset.digest.slice(0, 10)}</code>
          <Copy text={asset.digest} label="Copy the digest" />
          <a class="icon-button" href={address(`assets/${asset.digest}`)} download={`${asset.digest}.tobj`} title="Download the bytes" aria-label={`Download the bytes of ${name}`}>
            <Icon name="download" />
          </a>
        </span>
      </figcaption>
    </figure>
  );
}

/** Source text in Python's colours. */
export function Source({ text, label }: { readonly text: string; readonly label: string }) {
  return (
    <pre class="source" tabIndex={0} aria-label={label}>
      <code>
        {tokens(text).map((token, index) => (token.kind === "plain" ? token.text : <span key={index} class={`token-${token.kind}`}>{token.text}</span>))}
      </code>
    </pre>
  );
}
