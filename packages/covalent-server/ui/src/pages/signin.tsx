/** Signing in: with a token, or with a link that the command line gives. */

import { useEffect, useRef, useState } from "preact/hooks";

import { RequestError } from "../api/client";
import { signIn } from "../api/session";
import { Icon, Sign } from "../parts/icons";
import { useTitle } from "../parts/title";

export function SignIn({ why }: { readonly why: string | undefined }) {
  useTitle("Sign in");
  const field = useRef<HTMLInputElement>(null);
  const [problem, setProblem] = useState(why ?? "");
  const [busy, setBusy] = useState(false);
  useEffect(() => field.current?.focus(), []);

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const token = field.current?.value.trim() ?? "";
    if (token === "") return setProblem("Enter a token.");
    setBusy(true);
    try {
      await signIn(token);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      setProblem(error.status === 401 ? "The server does not know this token, or it has expired." : error.message);
      field.current?.select();
    } finally {
      setBusy(false);
    }
  };

  return (
    <main class="alone">
      <form class="card sign-in" onSubmit={(event) => void submit(event)} noValidate>
        <Sign />
        <h1>Sign in to Covalent</h1>
        <p class="muted">
          On the server's machine, <code>covalent open</code> opens this page signed in.
        </p>
        <label class="label" for="token">
          Token
        </label>
        <input
          ref={field}
          id="token"
          class="input"
          type="password"
          autocomplete="current-password"
          spellcheck={false}
          aria-describedby={problem === "" ? undefined : "problem"}
          aria-invalid={problem !== ""}
        />
        {problem !== "" && (
          <p id="problem" class="problem tone-failed" role="alert">
            <Icon name="warning" />
            {problem}
          </p>
        )}
        <button type="submit" class="button button-first" disabled={busy}>
          Sign in
        </button>
      </form>
    </main>
  );
}
