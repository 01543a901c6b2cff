"""How fast Covalent is, measured as a user would see it, with others beside it in the same run.

``nox -s bench`` runs :mod:`benchmarks.run`, which makes environments from wheels and from the peers' pins
(:mod:`benchmarks.environments`) and lets one system after the other live (:mod:`benchmarks.life`): ours
(:mod:`benchmarks.ours`, with the scripts in ``workloads/``) and each of :mod:`benchmarks.peers`. Every sample is
written to ``results/``; :mod:`benchmarks.report` turns that file into the tables of ``docs/benchmarks.md``, by the
goals in :mod:`benchmarks.measures`.
"""
