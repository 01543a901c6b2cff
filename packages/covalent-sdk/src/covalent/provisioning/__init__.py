"""Provisioners: what starts workers in an environment, in a process of its own, for a server that knows it by name.

::

    interface   what a plugin is: a class that starts a worker, tells when it has ended, and ends it
    plugins     finds the class by its executor's name, among the installed packages
    jobs        one worker from its order to its end, in a thread of its own, remembered on disk
    needs       what pools want, which starts have failed, and when to try again
    driver      asks the server what is wanted, and sees to it
    ssh         workers at the end of ssh connections
    slurm       workers that are jobs of a cluster with Slurm
    interpreters  the lines of shell that find a worker's interpreter
    known_hosts which machines are what they say
    command     ``covalent-worker --provision NAME``, also ``python -m covalent.provisioning NAME``

The server finds no plugin and loads none: it knows executors as names and JSON, and hands out work and tokens.
"""

from __future__ import annotations

from covalent.provisioning.interface import Order, Pool, Provisioner

__all__ = ["Order", "Pool", "Provisioner"]
