"""``python -m covalent``: what can be asked of a server from a shell where only the SDK is installed.

::

    command     the entry: the parser, and what becomes of errors
    login       keeps a token
    show        dispatches, or one with its tasks
    result      what a dispatch gave, unopened unless it is to be opened
    why         why tasks are not running
    cancel      stops a dispatch or tasks of it
    exits       the exit codes
    output      plain text and JSON, with nothing in it that a terminal would obey

A command is a module with ``add``, which describes it to the parser, and ``run``, which does it and returns its exit
code.
"""
