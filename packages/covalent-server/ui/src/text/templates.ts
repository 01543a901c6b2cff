/** An input's template as one reads it: which values it is made of. Pure. */

import { type AssetDescription } from "../api/records";

const LONGEST = 400;

/** `[f(3), 1, {"a": g(4)[0]}]`; assets by what their writers say of them, nodes by name and number. */
export function shown(template: unknown, assets: readonly AssetDescription[], nameOf: (node: number) => string): string {
  const text = write(template, assets, nameOf, 0);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

function write(template: unknown, assets: readonly AssetDescription[], nameOf: (node: number) => string, depth: number): string {
  if (typeof template !== "object" || template === null || depth > 8) return JSON.stringify(template) ?? "…";
  const inner = (each: unknown): string => write(each, assets, nameOf, depth + 1);
  const fields = template as Record<string, unknown>;
  if (typeof fields["asset"] === "string") {
    const found = assets.find((asset) => asset.digest === fields["asset"]);
    return found?.object_string || found?.json || found?.type_name || "a value";
  }
  if (typeof fields["node"] === "number") {
    const path = Array.isArray(fields["path"]) ? (fields["path"] as unknown[]) : [];
    return nameOf(fields["node"]) + path.map((step) => stepped(step, inner)).join("");
  }
  if ("value" in fields) return python(fields["value"]);
  for (const [kind, before, after] of [["list", "[", "]"], ["tuple", "(", ")"], ["set", "{", "}"], ["frozenset", "{", "}"]] as const) {
    const items = fields[kind];
    if (Array.isArray(items)) return before + items.slice(0, 20).map(inner).join(", ") + (items.length > 20 ? ", …" : "") + after;
  }
  if (Array.isArray(fields["dict"])) {
    const pairs = (fields["dict"] as unknown[]).slice(0, 20).map((pair) => (Array.isArray(pair) ? pair.map(inner).join(": ") : inner(pair)));
    return `{${pairs.join(", ")}}`;
  }
  return JSON.stringify(template);
}

function stepped(step: unknown, inner: (each: unknown) => string): string {
  if (!Array.isArray(step)) return "";
  const [kind, key] = step as [unknown, unknown];
  if (kind === "attr" || kind === "attribute") return `.${String(key)}`;
  return `[${typeof key === "object" ? inner(key) : python(key)}]`;
}

function python(value: unknown): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  return JSON.stringify(value);
}
