"""Tasks that are written in other languages: shell commands, and C functions of a shared library.

::

    lepton      what is declared: an electron whose function is one of the others
    shell       a command, its arguments, and the shell variables that it gives
    places      what bash reads a place in a command as
    library     a C function, its arguments, and what its pointers point to afterwards
"""

from covalent.leptons.lepton import Lepton, bash

__all__ = ["Lepton", "bash"]
