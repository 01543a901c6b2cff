"""Which random forest tells malignant tumours best? Twelve candidates, each trained and scored in tasks of its own.

Run it in an environment with covalent-sdk, pandas and scikit-learn, while a server runs somewhere::

    python workflow.py
"""

from __future__ import annotations

from itertools import product
from typing import Any

import pandas as pd
import preparation
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, recall_score, roc_auc_score

import covalent as ct

SETTINGS = [
    {"max_depth": depth, "max_features": features} for depth, features in product((1, 2, 4, 8), (1, "sqrt", 0.5))
]

load = ct.electron(preparation.load)
clean = ct.electron(preparation.clean)
split = ct.electron(preparation.split)


@ct.electron
def train(learn: pd.DataFrame, setting: dict[str, Any], seed: int) -> RandomForestClassifier:
    """A forest grown with one setting."""
    print(f"growing a forest with {setting} on {len(learn)} samples")
    forest = RandomForestClassifier(n_estimators=200, random_state=seed, **setting)
    return forest.fit(learn.drop(columns=preparation.TARGET), learn[preparation.TARGET])


@ct.electron
def score(forest: RandomForestClassifier, judge: pd.DataFrame) -> dict[str, float]:
    """How well a forest does on samples that it has not seen."""
    measured, malignant = judge.drop(columns=preparation.TARGET), judge[preparation.TARGET]
    found = forest.predict(measured)
    return {
        "accuracy": round(float(accuracy_score(malignant, found)), 4),
        "recall": round(float(recall_score(malignant, found)), 4),
        "auc": round(float(roc_auc_score(malignant, forest.predict_proba(measured)[:, 1])), 4),
    }


@ct.electron
def rank(settings: list[dict[str, Any]], scores: list[dict[str, float]]) -> pd.DataFrame:
    """All settings with their scores, the best first."""
    rows = [{**setting, **result} for setting, result in zip(settings, scores, strict=True)]
    return pd.DataFrame(rows).sort_values(["auc", "accuracy"], ascending=False)


@ct.electron
def choose(forests: list[RandomForestClassifier], ranking: pd.DataFrame) -> RandomForestClassifier:
    """The forest that ranks first."""
    return forests[ranking.index[0]]


@ct.lattice
def search(seed: int) -> tuple[pd.DataFrame, RandomForestClassifier]:
    """Clean the data, try every setting, and return the ranking and the winner."""
    learn, judge = split(clean(load()), seed)
    forests = [train(learn, setting, seed) for setting in SETTINGS]
    scores = [score(forest, judge) for forest in forests]
    ranking = rank(SETTINGS, scores)
    return ranking, choose(forests, ranking)


def main() -> None:
    """Dispatch the workflow, wait for it, and open what it returned."""
    dispatch_id = ct.dispatch(search)(seed=7)
    print(f"dispatched {dispatch_id}", flush=True)
    result = ct.get_result(dispatch_id, wait=True)
    result.raise_for_status()
    ranking, winner = result.result
    print(ranking.to_string())
    print(f"the winner: {winner}")
    print(f"what it looks at most: {winner.feature_names_in_[winner.feature_importances_.argmax()]}")


if __name__ == "__main__":
    main()
