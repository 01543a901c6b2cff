"""The worker: a supervisor that pulls leases over HTTP, and runner processes that run users' functions.

::

    __main__     the command line
    supervisor   one loop that owns all state and joins the rooms below
    workload     leases in, completions out, and what happens to runners in between
    exchange     what is said to the server, when, and by which thread
    intake       from a lease to a task: its assets, its project, its directory
    outbox       from a reply to a completion: spooled, uploaded, delivered
    slots        runners and what waits for them
    process      one runner process, seen from outside
    ledger  pace  contact        pure: what is held; how long tasks take; whether the server answers
    couriers     threads that wait for the network
    building  preparing  layers/     the packages that tasks need
    assets  home  spool  streams  locks  environment  processes  machine     disk and operating system
    runner/      what runs in the runner process, in the user's interpreter
    channel  mark  messages  disclosures  orphans     what supervisor and runner share
"""
