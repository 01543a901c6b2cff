"""From the data set as it is published to two frames that a model can learn from and be judged by.

Ordinary pandas code that knows nothing of Covalent: it travels with the workflow, to wherever its tasks run.
"""

from __future__ import annotations

from typing import Final

import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

TARGET: Final = "malignant"
#: Of two measurements that agree this closely only the first is kept: radius, perimeter and area say the same.
REDUNDANT: Final = 0.98
#: Measurements outside this share of the samples, on either side, are set to its edge.
TAIL: Final = 0.005


def load() -> pd.DataFrame:
    """569 tumours with 30 measurements each, as scikit-learn ships them."""
    bunch = load_breast_cancer(as_frame=True)
    frame = bunch.frame.rename(columns=lambda name: name.replace(" ", "_"))
    frame[TARGET] = frame.pop("target") == list(bunch.target_names).index("malignant")
    return frame


def clean(frame: pd.DataFrame) -> pd.DataFrame:
    """Without repeated samples, extreme outliers and measurements that only repeat another one."""
    frame = frame.drop_duplicates().dropna()
    measured = frame.drop(columns=TARGET)
    measured = measured.clip(measured.quantile(TAIL), measured.quantile(1 - TAIL), axis="columns")
    agreement = measured.corr().abs()
    repeated = [
        column
        for position, column in enumerate(agreement.columns)
        if (agreement[column].iloc[:position] > REDUNDANT).any()
    ]
    return measured.drop(columns=repeated).assign(**{TARGET: frame[TARGET]})


def split(frame: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two thirds to learn from, one third to be judged by, with as many malignant ones in each."""
    learn, judge = train_test_split(frame, test_size=1 / 3, random_state=seed, stratify=frame[TARGET])
    return learn, judge
