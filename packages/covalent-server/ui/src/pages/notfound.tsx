/** There is nothing at this address. */

import { Empty } from "../parts/notices";
import { useTitle } from "../parts/title";
import { to } from "../routes";

export function NotFound({ what }: { readonly what: "page" | "dispatch" }) {
  useTitle("Not found");
  return (
    <div class="page">
      <h1 class="unseen">Not found</h1>
      <Empty title={what === "page" ? "There is no such page" : "There is no such dispatch"} icon="search">
        <p>
          {what === "page"
            ? "The address may be mistyped, or of another version."
            : "It may have been purged, or belong to another account."}
        </p>
        <p class="actions">
          <a class="button" href={to([])}>Home</a>
          <a class="button" href={to(["dispatches"])}>All dispatches</a>
        </p>
      </Empty>
    </div>
  );
}
