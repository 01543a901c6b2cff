"""The process that runs users' functions, in the interpreter that they chose.

It imports the standard library, cloudpickle and the thin modules that open and write values; frames travel over a
socket of their own, so that whatever a task prints goes to its streams and nowhere else.

::

    loop            reads tasks, writes replies
    execution       one task: hooks, inputs, function
    writing         what it gave, as assets
    failures        what went wrong, in the user's terms
    surroundings    what a task must leave as it found it
    outputs         the same for stdout and stderr
    survival        dies with its supervisor
"""
