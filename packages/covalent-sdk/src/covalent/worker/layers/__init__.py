"""Layers: packages laid over an environment that stays as it is, so that any two tasks can have what they need.

A layer is a virtual environment without pip whose ``.pth`` file adds the site directories of its *parent*, the
interpreter that the task's executor names: what the layer holds is found first, then what the parent has, editable
installs too. (A virtual environment made of another one with ``--system-site-packages`` would show the packages of the
interpreter below both instead.) Runners are started with the layer's interpreter; nothing else about them differs.

::

    store           found or built, each once; listed, pruned
    parent          what the parent is and has
    key             what a layer is kept by
    construction    one new layer: environment, resolution, what came of it
    installers      uv and pip, and how each is brought to see the parent's packages
    command         covalent-worker env list|show|prune
"""

from covalent.worker.layers.record import Layer, LayerError
from covalent.worker.layers.store import Layers

__all__ = ["Layer", "LayerError", "Layers"]
