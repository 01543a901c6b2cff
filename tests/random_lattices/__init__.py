"""Lattices made by chance, and what has to become of them.

A program is plain data (``language``), drawn by hypothesis (``generation``, ``writing``). It can be written as the
script that a user would have written (``script``), which runs as plain Python and as a workflow, and it can be worked
out by rules of its own (``model``), which say of every task whether it completes, fails or never starts. What comes
out is compared as text that tells values and types (``description``).
"""
