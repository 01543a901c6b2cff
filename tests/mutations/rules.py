"""The rules that hold the server and its workers together.

Each has to have a mutation that breaks it: ``tests/architecture/test_mutations.py`` fails for one that has none. What
breaks the contracts between modules stands beside their tests, in ``tests/architecture/test_contracts.py``.
"""

from __future__ import annotations

from typing import Final

RULES: Final[dict[str, str]] = {
    # Leases, and what a crash means.
    "answer-after-commit": "An operation is answered after the commit that holds it.",
    "commits-wait-for-the-disk": "A commit is on the disk when it is told.",
    "leasing-raises-the-attempt": "Leasing a node raises its attempt.",
    "each-attempt-has-a-token": "Each attempt has a token of its own, and nothing counts without it.",
    "workers-ids-are-random": "A worker's id is made by chance for every start of its process.",
    "completions-are-fenced": "A completion is taken once, and only of an attempt that was leased.",
    "successors-become-ready-with-the-completion": "What a completion makes ready is ready in the same transaction.",
    "results-are-kept-until-acknowledged": "A worker keeps results on disk until they are acknowledged.",
    "results-are-sent-again": "A worker sends a result again until it is acknowledged.",
    "leases-are-delivered-again": "A lease that its worker does not name comes again, with its attempt and token.",
    "workers-drop-what-they-had": "A worker drops a lease that it holds or has held.",
    "attempt-only-fences": "The number of the attempt fences, and counts against nothing.",
    "failures-count-against-retries": "Errors, deaths of runners and timeouts count against retries.",
    "losses-count-once-begun": "A lease that is lost counts once its task was reported started, or with its worker.",
    "at-most-once-waits": "What is never begun twice begins when that is on the disk, by the lease that it has then.",
    "at-most-once-is-not-repeated": "What is never begun twice has failed when it was lost once it had begun.",
    "returned-leases-cost-nothing": "Leases that have not begun go back at no cost.",
    "first-completion-wins": "The first completion wins, also that of an attempt whose lease was lost.",
    "ended-attempts-are-stale": "What an attempt brings that failed, timed out or was cancelled is stale.",
    "replacements-are-stopped": "When a late result was taken, the attempt that replaced it is stopped.",
    "heartbeats-name-what-to-drop": "The answer to a heartbeat names leases to drop, at once.",
    "dropped-tasks-are-stopped": "A task whose lease is to be dropped is killed, with all that it started.",
    "acknowledgements-are-never-held-back": "No acknowledgement is held behind a long poll.",
    "deadlines-are-monotonic": "The deadlines of leases are told by a clock that nobody sets.",
    "a-restart-extends-leases": "A server that starts gives the leases that are out a full time to live.",
    "retry-times-are-kept": "When a retry is due is written down, and kept.",
    "triggers-fire-once": "However many times were missed, a trigger fires once.",
    "a-backward-step-delays-once": "A clock that is set back delays a trigger by one interval at most.",
    "answers-name-the-instance": "Every answer names the server, and a worker serves one.",
    "features-are-required-by-name": "A feature that is not there is refused by name; workers get what they can do.",
    "unknown-fields-are-ignored": "Fields of a later version are ignored.",
    # Transactions.
    "a-failing-batch-is-retried-singly": "An operation that fails fails alone.",
    "writes-share-commits": "What is queued meanwhile shares one commit.",
    "transactions-take-turns": "Transactions that write come one after the other, on PostgreSQL too.",
    "commits-come-about-once": "A commit whose answer was lost is done again only if it did not come about.",
    "grouped-counts": "Successors' counters fall by grouped counts.",
    "bytes-share-their-completions-commit": "A completion's small bytes are written in its transaction.",
    "a-dispatch-appears-whole": "A dispatch is seen when all of it is written, or never.",
    "every-move-is-an-event": "Every move of a node is an event.",
    "events-are-in-the-order-of-commits": "Events are told in the order of commits, each once for a cursor.",
    "streams-are-idempotent": "What a task prints is kept by its offset, however often it comes.",
    "streams-are-capped": "What one task prints is kept up to a bound.",
    "idempotency-keys": "A key makes a request repeatable, per owner and for the same body.",
    # States.
    "what-has-ended-stays": "What has ended stays as it is.",
    "what-cannot-run-is-blocked": "What needs something that did not complete never starts, and is said to be over.",
    "a-dispatch-ends-with-its-last-node": "A dispatch has ended exactly when no node of it can run.",
    "a-failure-outweighs-a-cancellation": "A dispatch with a failure has failed, whatever was cancelled.",
    # Turns and limits.
    "dispatches-take-turns": "Dispatches take turns for a pool's workers, however many tasks each of them has.",
    "sublattices-share-turns": "A dispatch takes its turns together with all its sublattices.",
    "priority-lengthens-turns": "A higher priority gets longer turns, and never all of them.",
    "limits-hold": "No more tasks are out under a limit than it lets through, whatever else they fall under.",
    "limits-fall-free": "A place under a limit that falls free is offered to all who wait for it, at once.",
    "limits-hold-across-restarts": "Limits, and who holds them, are the same for the next server.",
    # What is stored, purged, and backed up.
    "assets-are-verified-when-read": "Bytes that are not those that were stored are given to nobody, and set aside.",
    "purges-come-to-their-end": "A purge that was cut off is finished by the next server.",
    "purges-take-nothing-that-is-needed": "Nothing is purged that runs, is needed, is named, or was promised.",
    "backups-are-whole": "A backup has all that was there when it began, and nothing damaged is restored.",
    "a-copy-is-another-server": "What was restored is another server, to workers and clients as well.",
    # Accounts.
    "references-are-per-owner": "Knowing a digest gives nothing: who may read an asset is written down.",
    "reads-are-per-owner": "What belongs to one account does not exist for another.",
    "provisioners-are-their-accounts": "A provisioner is told of its account's pools, and ends its own workers alone.",
    "reuse-stays-with-the-owner": "An output stands in only for those of the same account.",
    # The guard.
    "guard-audit-hook": "An audit hook refuses every way to the real unpickler.",
    "guard-replaces-pickle": "In the server pickle is a module that refuses.",
    "guard-forbids-imports": "Modules that exist to unpickle cannot be imported.",
    "guard-is-armed-first": "Every command is armed before it imports anything.",
    "a-late-guard-is-told": "A guard that came late says so, and the server does not start.",
    "guard-linter-bans": "The linter refuses unpicklers, and imports by a name, in the server.",
    "guard-contract": "A contract refuses every way from the server to an unpickler.",
    "guard-runs-no-string": "The server runs no string.",
    "guard-holds-when-attacked": "Hostile pickles, sent as whatever can be sent, do nothing.",
}
