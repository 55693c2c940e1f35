"""Boundary layer: hostile dtypes, in a process of their own, since what they may do is to end it."""

from __future__ import annotations

import ast

import pytest

from tests._alone import run

PREAMBLE = """
import datetime as dt
from decimal import Decimal
import polars as pl
import rangebar_polars as rb

N = 3
TIMES = pl.Series([1, 2, 3], dtype=pl.Int64)
BASE = pl.DataFrame({
    "timestamp": TIMES.cast(pl.Datetime("us")), "price": [100.0, 101.0, 100.0], "quantity": [1.0, 2.0, 3.0],
    "is_buyer_maker": [True, False, True], "agg_trade_id": [1, 2, 3], "first_trade_id": [1, 2, 3],
    "last_trade_id": [1, 2, 3], "symbol": ["a", "a", "b"],
})
assert BASE.rangebar.bars(1000).height == 1
"""

INTEGERS = ("Int8", "Int16", "Int32", "Int64", "Int128", "UInt8", "UInt16", "UInt32", "UInt64", "UInt128")
NEVER = "--------"
# Whether each role accepts the dtype (T) or refuses it (-): time without and with a unit, price, quantity, side, id,
# first and last individual id.
DTYPES: dict[str, tuple[str, str]] = {
    "Boolean": ("pl.Series([True, False, True])", "----T---"),
    **{name: (f"pl.Series([1, 2, 3]).cast(pl.{name})", "--TT-TTT") for name in INTEGERS},
    "Int64": ("pl.Series([1, 2, 3])", "-TTT-TTT"),
    "Int128 beyond 64 bits": ("pl.Series([2**100, -(2**100), 2**126], dtype=pl.Int128)", NEVER),
    "UInt64 beyond 63 bits": ("pl.Series([2**63, 2**64 - 1, 2**64 - 1], dtype=pl.UInt64)", NEVER),
    "UInt128 beyond 127 bits": ("pl.Series([2**127, 2**128 - 1, 2**128 - 1], dtype=pl.UInt128)", NEVER),
    "Int64 at its ends": ("pl.Series([-(2**63), 0, 2**63 - 1], dtype=pl.Int64)", "-----T--"),
    "Float16": ("pl.Series([1.0, 2.0, 3.0]).cast(pl.Float16)", NEVER),
    **{name: (f"pl.Series([1.0, 2.0, 3.0]).cast(pl.{name})", "--TT----") for name in ("Float32", "Float64")},
    "Float64 at its ends": ("pl.Series([5e-324, 1.7976931348623157e308, 1.0])", NEVER),
    "String": ("pl.Series(['1', '2', 'x'])", NEVER),
    "Binary": ("pl.Series([b'1', b'2', b''])", NEVER),
    "Date": ("pl.Series([1, 2, 3]).cast(pl.Int32).cast(pl.Date)", NEVER),
    "Time": ("pl.Series([1, 2, 3]).cast(pl.Time)", NEVER),
    **{f"Duration {unit}": (f"pl.Series([1, 2, 3]).cast(pl.Duration('{unit}'))", NEVER) for unit in ("ms", "us", "ns")},
    **{
        f"Datetime {unit}": (f"pl.Series([1, 2, 3]).cast(pl.Datetime('{unit}'))", "T-------")
        for unit in ("ms", "us", "ns")
    },
    "Datetime with zone": ("pl.Series([1, 2, 3]).cast(pl.Datetime('us', 'Asia/Tokyo'))", "T-------"),
    # A step of 584 million years.
    "Datetime at its ends": ("pl.Series([-(2**63), 0, 2**63 - 1], dtype=pl.Int64).cast(pl.Datetime('ms'))", NEVER),
    "Categorical": ("pl.Series(['a', 'b', 'a'], dtype=pl.Categorical)", NEVER),
    "Enum": ("pl.Series(['a', 'b', 'a'], dtype=pl.Enum(['a', 'b']))", NEVER),
    "List": ("pl.Series([[1], [2, 3], []])", NEVER),
    "Array": ("pl.Series([[1, 2]] * 3, dtype=pl.Array(pl.Int64, 2))", NEVER),
    "Struct": ("pl.Series([{'a': 1}] * 3)", NEVER),
    "Struct without fields": ("pl.Series([{}] * 3, dtype=pl.Struct([]))", NEVER),
    "Null": ("pl.Series([None] * 3)", NEVER),
    "Object": ("pl.Series([object()] * 3, dtype=pl.Object)", NEVER),
    "Decimal": ("pl.Series([Decimal(1), Decimal(2), Decimal(3)], dtype=pl.Decimal(38, 0))", "--TT----"),
    "Decimal of scale 38": ("pl.Series([Decimal('0.1')] * 3, dtype=pl.Decimal(38, 38))", "--TT----"),
    "Decimal at its ends": (
        "pl.Series([Decimal(10) ** 37, -Decimal(10) ** 37, Decimal(1)], dtype=pl.Decimal(38, 0))",
        NEVER,
    ),
}

TRY_EVERY_ROLE = """
def calls(frame, role, unit):
    for engine in ("in-memory", "streaming"):
        lf = frame.lazy()
        options = dict(include_incomplete=True, time_unit=unit)
        yield lambda: lf.rangebar.bars(1000, **options).collect(engine=engine)
        yield lambda: lf.rangebar.bars(1000, by="symbol", **options).collect(engine=engine)
        yield lambda: lf.select(rb.range_bars(1000, **options)).collect(engine=engine)
        yield lambda: lf.group_by("symbol").agg(rb.range_bars(1000, **options)).collect(engine=engine)
        if role in ("timestamp", "price", "agg_trade_id"):  # numbers of bars read nothing else
            yield lambda: lf.rangebar.with_bar_id(1000, time_unit=unit).collect(engine=engine)
            yield lambda: lf.select(rb.range_bar_id("timestamp", "price", threshold_dbps=1000, time_unit=unit,
                                                    agg_trade_id="agg_trade_id")).collect(engine=engine)
    yield lambda: frame.rangebar.bars(1000, **options)

ALLOWED = (rb.RangeBarError, pl.exceptions.PolarsError)

def attempt(values):
    verdicts = ""
    for role in BASE.columns[:7]:
        frame = BASE.with_columns(values.alias(role))
        for unit in (None, "ns") if role == "timestamp" else (None,):
            said = set()
            for call in calls(frame, role, unit):
                try:
                    call()
                    said.add("T")
                except Exception as error:
                    assert isinstance(error, ALLOWED), (role, type(error), str(error))
                    assert str(error).strip(), (role, type(error))
                    said.add("-")
            assert len(said) == 1, (role, unit, "the routes do not agree")
            verdicts += said.pop()
    return verdicts
"""


def outcomes(table: dict[str, str], script: str) -> dict[str, str]:
    """
    Return what `attempt` of the script returns for each series of the table, or the traceback of its error.

    One process tries them all and must exit cleanly. If it crashes, the last name on its stderr is the culprit.
    """
    each = f"""
import sys, traceback
for name, text in {table!r}.items():
    print(name, file=sys.stderr, flush=True)
    try:
        outcome = attempt(eval(text))
    except Exception:
        outcome = traceback.format_exc()
    print(repr((name, outcome)))
"""
    return dict(ast.literal_eval(line) for line in run(PREAMBLE + script + each).splitlines())


@pytest.fixture(scope="module")
def verdicts() -> dict[str, str]:
    return outcomes({name: text for name, (text, _) in DTYPES.items()}, TRY_EVERY_ROLE)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_in_every_column(dtype: str, verdicts: dict[str, str]) -> None:
    """Accepted or refused as the table states, by every route alike."""
    assert verdicts[dtype] == DTYPES[dtype][1]


KEYS = {
    "String": "pl.Series(['a', 'b', None] * 8)",
    "String of many lengths": "pl.Series(['', 'a', 'a\\0', 'x' * 15, 'x' * 16, None] * 4)",
    "Categorical": "pl.Series(['a', 'b', None] * 8, dtype=pl.Categorical)",
    "Enum": "pl.Series(['b', 'a', None] * 8, dtype=pl.Enum(['a', 'b']))",
    **{name: f"pl.Series([1, 2, None] * 8).cast(pl.{name})" for name in INTEGERS},
    "Boolean": "pl.Series([True, False, None] * 8)",
    "Date": "pl.Series([1, 2, None] * 8).cast(pl.Int32).cast(pl.Date)",
    "Datetime": "pl.Series([1, 2, None] * 8).cast(pl.Datetime('ns', 'Europe/Berlin'))",
    "Time": "pl.Series([1, 2, None] * 8).cast(pl.Time)",
    "Duration": "pl.Series([1, 2, None] * 8).cast(pl.Duration('ms'))",
    "Decimal": "pl.Series([Decimal('1.5'), Decimal('-2'), None] * 8, dtype=pl.Decimal(20, 3))",
    "Float32": "pl.Series([1.5, float('nan'), None] * 8, dtype=pl.Float32)",
    "Float64": "pl.Series([1.5, float('nan'), None] * 8)",
    "zeros of both signs": "pl.Series([0.0, -0.0, None] * 8)",
    "Binary": "pl.Series([b'a', b'', None] * 8)",
    "Struct": "pl.Series([{'x': 1, 'y': 'a'}, {'x': 1, 'y': None}, None] * 8)",
    "List": "pl.Series([[1, 2], [], None] * 8)",
    "Array": "pl.Series([[1, 2], [2, 1], None] * 8, dtype=pl.Array(pl.Int64, 2))",
    "Null": "pl.Series([None] * 24)",
}

SAME_AS_A_LOOP = """
from polars.testing import assert_frame_equal
def loop(frame, by, n):
    out = []
    groups = frame.with_row_index("_row").group_by(by, maintain_order=True).agg("_row")
    for rows in groups["_row"]:
        part = frame[rows]
        bars = part.rangebar.bars(1000, include_incomplete=True)
        keys = pl.concat([part.select(by).head(1)] * bars.height) if bars.height else part.select(by).clear()
        order = [rows[k - 1] + (n if r == "end" else 0) for k, r in
                 zip(bars["agg_record_count"].cum_sum(), bars["close_reason"])]
        order = [rows[0] + n if o >= n else o for o in order]
        out.append(pl.concat([keys, bars], how="horizontal").with_columns(_order=pl.Series(order, dtype=pl.Int64)))
    return pl.concat(out).sort("_order").drop("_order")

def attempt(key):
    n = key.len()
    base = pl.DataFrame({
        "timestamp": pl.Series(range(n), dtype=pl.Int64).cast(pl.Datetime("ms")),
        "price": [100.0 + (i * 7 % 5) for i in range(n)], "quantity": [float(i) for i in range(n)],
        "other": [i // 6 % 2 for i in range(n)],
    }).with_columns(key.alias("key"))
    for by in (["key"], ["key", "other"], ["other", "key"]):
        groups = base.with_row_index("_row").group_by(by, maintain_order=True).agg("_row")["_row"]
        runs = base[groups.explode().to_list()]
        for frame in (base, runs, pl.concat([base.head(5), base.slice(5)], rechunk=False)):
            expected = loop(frame, by, n)
            assert (expected["close_reason"] == "threshold").sum() >= 2
            for engine in ("in-memory", "streaming"):
                got = frame.lazy().rangebar.bars(1000, by=by, include_incomplete=True).collect(engine=engine)
                assert got.schema["key"] == frame.schema["key"]
                assert_frame_equal(got, expected, check_exact=True)
                ids = frame.lazy().rangebar.with_bar_id(1000, by=by).collect(engine=engine)
                assert ids.drop("bar_id").equals(frame)
                assert ids.select(by + ["bar_id"]).n_unique() == expected.height
    return "SAME"
"""


@pytest.fixture(scope="module")
def groups() -> dict[str, str]:
    return outcomes(KEYS, SAME_AS_A_LOOP)


@pytest.mark.parametrize("dtype", KEYS)
def test_keys_of_every_dtype(dtype: str, groups: dict[str, str]) -> None:
    """Nulls are a group of their own, as in `group_by`."""
    assert groups[dtype] == "SAME"


def test_a_key_that_cannot_be_hashed_is_refused() -> None:
    out = run(
        PREAMBLE
        + """
frame = BASE.with_columns(pl.Series("key", [object()] * 3, dtype=pl.Object))
for engine in ("in-memory", "streaming"):
    try:
        frame.lazy().rangebar.bars(1000, by="key").collect(engine=engine)
    except Exception as error:
        assert isinstance(error, (rb.RangeBarError, pl.exceptions.PolarsError)), repr(error)
        print("REFUSED", error)
"""
    )
    assert out.count("REFUSED") == 2
