"""Whether a workflow can run where its tasks are to run, looked at before it is dispatched.

What cannot run for certain is a problem, which keeps a workflow from being dispatched; what may fail is a warning. Of
tasks in the interpreter that dispatches next to nothing is looked at, for what a workflow was written with is there.
Another interpreter of this machine is asked once what it has. Of other machines nothing is known.

::

    usual          what most workflows are, of which nothing more is looked at
    checks         from a workflow that is ready to be sent to findings
    needs          what packages code imports
    interpreters   what interpreters have
    probe          a program that an interpreter runs to tell what it has
    requirements   what lines of requirements bring
    report         what was found, for people and programs
"""
