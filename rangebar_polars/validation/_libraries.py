"""The optional libraries for the statistics, loaded when the first statistic is needed."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NamedTuple

__all__ = ["Libraries", "libraries", "quiet"]


class Libraries(NamedTuple):
    """What the statistics call."""

    numpy: Any
    spearmanr: Any
    student_t: Any
    adfuller: Any
    multipletests: Any
    mutual_info_regression: Any
    threadpool_limits: Any
    """One thread decomposes such small matrices several times faster."""


def libraries() -> Libraries:
    """
    The functions of scipy, statsmodels and scikit-learn.

    Raises
    ------
    ModuleNotFoundError
        If one of them is not installed; the text says how to install them.
    """
    try:
        with quiet():
            return Libraries(
                import_module("numpy"),
                import_module("scipy.stats").spearmanr,
                import_module("scipy.stats").t,
                import_module("statsmodels.tsa.stattools").adfuller,
                import_module("statsmodels.stats.multitest").multipletests,
                import_module("sklearn.feature_selection").mutual_info_regression,
                import_module("threadpoolctl").threadpool_limits,
            )
    except ModuleNotFoundError as error:
        msg = (
            f'the statistics of validate() need {error.name}: pip install "rangebar_polars[validation]"; '
            "validate(bars, statistics=False) works without them"
        )
        raise ModuleNotFoundError(msg, name=error.name) from error


@contextmanager
def quiet() -> Generator[None]:
    """Silence the warnings of the libraries: the report says what they warn of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
