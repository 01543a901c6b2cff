"""The engine: joins what is decided in ``core``, kept in ``db`` and ``storage``, and run by ``executors``."""
