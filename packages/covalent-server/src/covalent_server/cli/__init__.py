"""The ``covalent`` command: starts, stops and shows a server.

``command`` is the entry; each command has a module of its own. Only ``foreground`` becomes the server; the others are
short programs that import neither the web framework nor the database, so that they answer at once.
"""
