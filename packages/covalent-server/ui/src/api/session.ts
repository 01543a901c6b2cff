/** Who looks at the page: signed in by a token or by the code in a link, known by a cookie that no script can read. */

import { signal } from "@preact/signals";

import { RequestError, change, get, whenSignedOut } from "./client";
import { type Session } from "./records";

export type SessionState =
  | { readonly kind: "asking" }
  | { readonly kind: "signed-out"; readonly why?: string }
  | { readonly kind: "unreachable" }
  | { readonly kind: "signed-in"; readonly session: Session };

export const session = signal<SessionState>({ kind: "asking" });

whenSignedOut(() => {
  if (session.peek().kind === "signed-in") session.value = { kind: "signed-out", why: "The session has ended." };
});

/** Whether this session may change anything. */
export function mayChange(): boolean {
  return session.value.kind === "signed-in" && session.value.session.scope === "user";
}

/** Find out who one is; a code from a link is used up first. */
export async function begin(code: string | null, why?: string): Promise<void> {
  try {
    const found = code === null ? await get<Session>("session") : await change<Session>("POST", "session", { code });
    session.value = { kind: "signed-in", session: found };
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    if (error.status !== 401) session.value = { kind: "unreachable" };
    else if (code === null) session.value = why === undefined ? { kind: "signed-out" } : { kind: "signed-out", why };
    // Who is signed in already does not need the link.
    else await begin(null, "This link was used before, or is too old. Ask for another one.");
  }
}

/** Sign in with a token; raises what the server says against it. */
export async function signIn(token: string): Promise<void> {
  const found = await change<Session>("POST", "session", { token });
  session.value = { kind: "signed-in", session: found };
}

/** End the session. */
export async function signOut(): Promise<void> {
  await change("DELETE", "session");
  session.value = { kind: "signed-out" };
}
