"""Parameter names of the package `rangebar`: a call that uses one is told the name used here."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Final, ParamSpec, TypeVar

__all__ = ["IN_ONE_LINE", "OLD_NAMES", "knows_old_names", "named_anew"]

_P = ParamSpec("_P")
_R = TypeVar("_R")

_FETCHING: Final = "left out, because it reads what you give it (docs/fetching.md has what fetches and keeps)"
_CHOSEN: Final = "`features`, which names the columns to compute"

OLD_NAMES: Final = {
    "threshold_decimal_bps": "`threshold_dbps`, with the same number",
    "threshold_bps": "`threshold_dbps`, with the same number",
    "ouroboros_mode": '`reset`: "1y", "1mo" or "1w"',
    "include_orphaned_bars": "`include_orphans`",
    "prevent_same_timestamp_close": "`same_timestamp_gate`",
    "include_microstructure": "left out, because the ten features are always there unless `features=[]`",
    "include_intra_bar_features": "`intra`",
    "inter_bar_lookback_count": "`lookback=200`",
    "inter_bar_lookback_bars": "`lookback=rb.Bars(3)`",
    "compute_tier2": _CHOSEN,
    "compute_tier3": _CHOSEN,
    "compute_hurst": _CHOSEN,
    "compute_permutation_entropy": _CHOSEN,
    "symbol": '`by="symbol"`, which builds the bars of all symbols, or an earlier `filter`',
    "volume": '`quantity="volume"`',
    "use_cache": _FETCHING,
    "fetch_if_missing": _FETCHING,
    "cache_dir": _FETCHING,
    "source": _FETCHING,
    "market": _FETCHING,
    "validation": _FETCHING,
    "max_memory_mb": "left out, because memory does not grow with the input",
}
"""The counterparts here; the table in `docs/coming_from.md` has the same."""

_LAKE: Final = "`lake`, the folder that keeps trades"
_CONSTANT: Final = "left out, because memory does not grow with the range; `lazy=True` streams"

IN_ONE_LINE: Final = OLD_NAMES | {
    "start_date": "`start`",
    "end_date": "`end`, or `before` of `get_n_range_bars`",
    "n_bars": "`n`",
    "max_lookback_days": '`max_lookback="90d"`',
    "use_cache": _LAKE,
    "cache_dir": _LAKE,
    "fetch_if_missing": '`fetch="never"` for False',
    "verify_checksum": '`checksums="if_present"` for False',
    "source": '`venue`, such as "binance-spot" or "exness"',
    "market": '`venue`, such as "binance-spot" or "binance-um"',
    "materialize": "`lazy=True` for False",
    "batch_size": _CONSTANT,
    "max_memory_mb": _CONSTANT,
}
"""The same for the functions that fetch."""


def knows_old_names(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Make the TypeError about an unknown keyword of a function name the one that was meant."""
    return named_anew(list(inspect.signature(function).parameters), OLD_NAMES)(function)


def named_anew(known: Sequence[str], old: Mapping[str, str]) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """The same for a function that knows these keywords, and with these old names."""

    def named(function: Callable[_P, _R]) -> Callable[_P, _R]:
        @wraps(function)
        def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            for name in kwargs:
                if name not in known:
                    raise TypeError(_says(function.__name__, name, known, old))
            return function(*args, **kwargs)

        return call

    return named


def _says(function: str, name: str, known: Sequence[str], old: Mapping[str, str]) -> str:
    text = f"{function}() has no parameter `{name}`"
    if name in old:
        return f"{text}: here it is {old[name]}; docs/coming_from.md lists the other names of `rangebar`"
    close = difflib.get_close_matches(name, known, n=1)
    parameters = ", ".join(one for one in known if one != "self")
    return f"{text} (did you mean `{close[0]}`?)" if close else f"{text}; it has {parameters}"
