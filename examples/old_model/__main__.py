"""Is the model of three years ago still good? It opens only with packages that today's analysis cannot have.

A model was fitted with scikit-learn 1.5 and pickled; whatever was decided since rests on its predictions. Scikit-learn
1.7 cannot open the file, and no environment has both. So each step of the comparison names the packages that it needs:
they are installed into layers of their own, side by side, and neither the server nor the environment that this script
runs in gets any of them. What goes from step to step is plain data, which every version understands.

Run it in an environment with covalent-sdk, and nothing else, while a server runs somewhere::

    python examples/old_model
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import covalent as ct

THEN = ["scikit-learn==1.5.2", "numpy==2.1.3", "scipy==1.14.1"]
NOW = ["scikit-learn==1.7.2", "numpy==2.3.5", "scipy==1.16.3"]
#: Patients, by their number, that no model is fitted to: every fourth.
APART = slice(0, None, 4)


@ct.electron(deps_pip=THEN)
def fit_then() -> bytes:
    """The file. It would lie in an archive; for this example it is made anew, with the packages of then."""
    import pickle

    from sklearn.ensemble import GradientBoostingRegressor

    features, progress = fitted_to()
    model = GradientBoostingRegressor(n_estimators=60, max_depth=3, random_state=1).fit(features, progress)
    return pickle.dumps(model)


@ct.electron(deps_pip=NOW)
def open_now(file: bytes) -> str:
    """What happens to who opens the file with today's packages."""
    import pickle

    try:
        pickle.loads(file)  # noqa: S301  it is ours
    except Exception as error:  # noqa: BLE001  whatever it is, it is shown
        return f"{type(error).__name__}: {error}".partition(" on <module")[0]
    return ""


@ct.electron(deps_pip=THEN)
def predict_then(file: bytes) -> list[float]:
    """What the old model says of those patients, with the packages that it was made with."""
    import pickle

    from sklearn.datasets import load_diabetes

    model = pickle.loads(file)  # noqa: S301  as above
    predicted: list[float] = model.predict(load_diabetes().data[APART]).tolist()
    return predicted


@ct.electron(deps_pip=NOW)
def predict_now() -> list[float]:
    """What a model of today says of them."""
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import SplineTransformer

    features, progress = fitted_to()
    model = make_pipeline(SplineTransformer(n_knots=4, degree=2), RidgeCV([0.1, 1, 10])).fit(features, progress)
    predicted: list[float] = model.predict(load_diabetes().data[APART]).tolist()
    return predicted


@ct.electron(deps_pip=NOW)
def observe() -> list[float]:
    """How it went on with them."""
    from sklearn.datasets import load_diabetes

    progress: list[float] = load_diabetes().target[APART].tolist()
    return progress


@ct.electron
def compare(observed: list[float], then: list[float], now: list[float]) -> dict[str, float]:
    """Root mean squares of both models' errors, and of what they differ by. This needs no packages at all."""
    pairs = {"error of the old model": (observed, then), "error of the new model": (observed, now)}
    pairs["they differ by"] = (then, now)
    return {
        name: sqrt(sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) / len(one))
        for name, (one, other) in pairs.items()
    }


def fitted_to() -> tuple[Any, Any]:
    """The patients that models are fitted to: their features, and the progress of their illness."""
    import numpy as np
    from sklearn.datasets import load_diabetes

    data = load_diabetes()
    kept = np.ones(len(data.target), dtype=bool)
    kept[APART] = False
    return data.data[kept], data.target[kept]


@ct.lattice
def review() -> dict[str, Any]:
    """Both models on the same patients."""
    file = fit_then()
    return {"today": open_now(file), "errors": compare(observe(), predict_then(file), predict_now())}


def main() -> None:
    """Compare, and tell what each step had."""
    dispatch_id = ct.dispatch(review)()
    print(f"dispatched {dispatch_id}", flush=True)
    result = ct.get_result(dispatch_id, wait=True)
    result.raise_for_status()
    for node in result.get_all_node_results():
        installed = (node.environment or {}).get("resolved", [])
        print(f"{node.node_name:13} ran with", *[item for item in installed if item in THEN + NOW] or ["no packages"])
    print(f"\nopened with the packages of today, the old model gives {result.result['today']}")
    for name, value in result.result["errors"].items():
        print(f"{name:22} {value:6.2f}")
    assert result.result["today"]


if __name__ == "__main__":
    main()
