"""How fast Covalent is, measured as a user would see it, with Dask beside it in the same run.

``nox -s bench`` runs :mod:`benchmarks.run`, which makes environments from wheels (:mod:`benchmarks.environments`),
starts one system after the other (:mod:`benchmarks.ours`, :mod:`benchmarks.dask_peer`), lets each run the scripts in
``workloads/``, and writes every sample to ``results/``. :mod:`benchmarks.report` turns that file into the table of
``docs/benchmarks.md``.
"""
