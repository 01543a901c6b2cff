"""Tasks on a Dask cluster: a bridge between the server and the cluster's scheduler.

A Dask client unpickles what comes to it, which a server must not. So the bridge is a worker like every other, in an
environment of the user's: it leases tasks, and hands each one on to the cluster as a task of its own. There, an
*outpost* beside each Dask worker's process runs it, with the same slots and runners as on any machine::

    server <- leases, results -> bridge <- Dask -> Dask worker <- socket -> outpost <- socket -> runner
       ^------------- large assets, what tasks print, leases to drop --------------------'

::

    bridge        the bridge's tasks: a place for the supervisor's leases
    link          the one module that speaks to Dask's scheduler
    once          what keeps Dask from running a task again by itself
    station       in a Dask worker's process: hands orders to its outpost, and waits
    outpost       beside it: slots, runners, and a line to the server
    messages      what they say to each other
"""
