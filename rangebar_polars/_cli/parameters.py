"""The parameters of bars, which several commands take."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final, Literal

from cyclopts import Group, Parameter

from rangebar_polars._bars.lookback import Bars, Lookback
from rangebar_polars._common.messages import cut
from rangebar_polars._common.parameters import is_one_of
from rangebar_polars._common.sessions import Daily, Reset, as_reset
from rangebar_polars._typing import ResetPeriod
from rangebar_polars.exceptions import RangeBarError

__all__ = ["AS_USUAL", "BarParameters"]

_OF_BARS = Group("Parameters of bars", sort_key=5)

_FORMS: Final = '"daily 18:00 America/New_York" or "weekly sunday 17:00 America/New_York"'


@Parameter(name="*", group=_OF_BARS)
@dataclass(frozen=True, kw_only=True)
class BarParameters:
    """What bars are made of, beside their thresholds and rules; None if it is not given."""

    reset: Annotated[
        str | None,
        Parameter(
            help="The periods with which bars begin anew: 1d, 1w, 1mo, 1y, none, or sessions of a place, as in "
            f"{_FORMS} [default: 1mo]."
        ),
    ] = None
    max_gap: Annotated[str | None, Parameter(help="A silence such as 6h that ends a bar.")] = None
    max_step: Annotated[
        str | None, Parameter(help="The longest step in time that is no error, or none [default: 14610d].")
    ] = None
    intra: Annotated[bool, Parameter(help="Add the features of the trades of a bar.")] = False
    lookback: Annotated[
        str | None, Parameter(help="The window before each bar: 200 trades as 200, a time as 5m, bars as 3bars.")
    ] = None
    features: Annotated[
        list[str] | None,
        Parameter(help="The features, several after one flag [default: the ten].", consume_multiple=True),
    ] = None
    missing_side: Annotated[
        Literal["error", "null"] | None,
        Parameter(help="What to do with trades without a side: stop, or leave features null [default: error]."),
    ] = None
    price_decimals: Annotated[int | None, Parameter(help="Decimals that a price may have [default: 8].")] = None
    footprint: Annotated[
        float | None, Parameter(help="A tick: add what was bought and sold at each level of the price of that height.")
    ] = None
    feature_sets: Annotated[
        list[str] | None,
        Parameter(help="Sets of features that installed packages offer, by name.", consume_multiple=True),
    ] = None
    include_session: Annotated[bool, Parameter(help="Add the date of the period or session of each bar.")] = False

    def given(self) -> dict[str, Any]:
        """Those that were given, as the library takes them."""
        given = {name: value for name, value in asdict(self).items() if value is not None and value is not False}
        if given.get("max_step") == "none":
            given["max_step"] = None
        if self.reset is not None:
            given["reset"] = _reset(self.reset)
        if self.lookback is not None:
            given["lookback"] = _lookback(self.lookback)
        return given


AS_USUAL: Final = BarParameters()
"""None is given."""


def _reset(text: str) -> Reset | None:
    """A period by its word, or sessions: how often, when and where, and which date names them."""
    match text.split():
        case ["none"]:
            return None
        case ["daily", at, zone]:
            return Daily(at=at, zone=zone)
        case ["daily", at, zone, "start" | "end" as name]:
            return Daily(at=at, zone=zone, named_by="start" if name == "start" else "end")
        case ["weekly", day, at, zone]:
            return as_reset({"on": day, "at": at, "zone": zone})
        case ["weekly", day, at, zone, "start" | "end" as name]:
            return as_reset({"on": day, "at": at, "zone": zone, "named_by": name})
        case _:
            pass
    if not is_one_of(text, ResetPeriod):
        msg = f'`--reset` must be 1d, 1w, 1mo, 1y or none, or sessions as in {_FORMS}, got "{cut(text)}"'
        raise RangeBarError(msg)
    return as_reset(text)


def _lookback(text: str) -> Lookback:
    """A number of trades, or of bars, or a time."""
    number = text.removesuffix("bars")
    if not number.isdecimal():
        return text
    return int(number) if number == text else Bars(int(number))
