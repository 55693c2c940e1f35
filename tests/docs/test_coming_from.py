"""Docs: what `docs/coming_from.md` says of another package's names, held against its stored bars and this library."""

from __future__ import annotations

import doctest
import inspect
import re
from pathlib import Path
from typing import Any, get_args

import polars as pl
import pytest

import rangebar_polars as rb
from rangebar_polars import exports
from rangebar_polars._bars.written_rules import rule_of_text
from rangebar_polars._typing import ResetPeriod
from tests._paths import ROOT
from tests._reference import REFUSED

PAGE = (ROOT / "docs/coming_from.md").read_text()
EVERYTHING = rb.datasets.sample_trades(10).rangebar.bars(250, intra=True, lookback=200).schema

PUBLIC_NAMES = """
ALL_OPTIONAL_COLUMNS ASSET_CLASS_MULTIPLIERS BAR_FLAG_COLUMNS BINANCE_VISION_AGGTRADES_URL EXCHANGE_SESSION_COLUMNS
INTER_BAR_FEATURE_COLUMNS INTRA_BAR_FEATURE_COLUMNS LONG_RANGE_DAYS MICROSTRUCTURE_COLUMNS
MIN_VERSION_FOR_MICROSTRUCTURE MIN_VERSION_FOR_OUROBOROS SCHEMA_VERSION_MICROSTRUCTURE SCHEMA_VERSION_OHLCV_ONLY
SCHEMA_VERSION_OUROBOROS THRESHOLD_DECIMAL_MAX THRESHOLD_DECIMAL_MIN THRESHOLD_PRESETS TIER1_SYMBOLS
TRADE_ID_RANGE_COLUMNS VALIDATION_PRESETS AssetClass AsyncStreamingProcessor BackfillResult BackfillStatus
BinanceLiveStream ContinuityError ContinuityWarning CryptoThresholdError GapInfo GapTier LoopState OrphanedBarMetadata
OuroborosBoundary OuroborosMode PositionVerification PrecomputeProgress PrecomputeResult RangeBarProcessor
ReconnectionConfig SidecarConfig StalenessResult StreamingConfig StreamingError StreamingMetrics
StreamingRangeBarProcessor SymbolEntry SymbolNotRegisteredError SymbolTransition ThresholdError TierSummary
TierThresholds TieredValidationResult ValidationPreset auto_memory_guard backfill_all_recent backfill_recent
check_backfill_status clear_symbol_registry_cache clear_threshold_cache detect_asset_class detect_staleness
discover_providers ensure_memory_limit get_available_symbols get_cache_coverage get_effective_start_date
get_feature_groups get_feature_manifest get_min_threshold get_min_threshold_for_symbol get_n_range_bars
get_ouroboros_boundaries get_range_bars get_range_bars_pandas get_range_bars_panel get_registered_symbols
get_symbol_entries get_transitions normalize_arrow_dtypes normalize_temporal_precision populate_cache_resumable
precompute_range_bars probe_latest_available_date process_trades_chunked process_trades_polars
process_trades_polars_lazy process_trades_to_dataframe resolve_and_validate_threshold run_adaptive_loop run_sidecar
stream_binance_live to_panel_format validate_and_clamp_start_date validate_continuity validate_continuity_tiered
validate_symbol_registered
""".split()  # noqa: SIM905  (a list would be as many lines as names)
"""`__all__` of rangebar 12.39.0, but for its version."""

WINDOW_COLUMNS = """
lookback_trade_count lookback_ofi lookback_duration_us lookback_intensity lookback_vwap_raw lookback_vwap_position
lookback_count_imbalance lookback_kyle_lambda lookback_burstiness lookback_volume_skew lookback_volume_kurt
lookback_price_range lookback_garman_klass_vol lookback_kaufman_er lookback_hurst lookback_permutation_entropy
intra_bull_epoch_density intra_bear_epoch_density intra_bull_excess_gain intra_bear_excess_gain intra_bull_cv
intra_bear_cv intra_max_drawdown intra_max_runup intra_trade_count intra_ofi intra_duration_us intra_intensity
intra_vwap_position intra_count_imbalance intra_kyle_lambda intra_burstiness intra_volume_skew intra_volume_kurt
intra_kaufman_er intra_garman_klass_vol intra_hurst intra_permutation_entropy
""".split()  # noqa: SIM905  (a list would be as many lines as names)
"""`INTER_BAR_FEATURE_COLUMNS` and `INTRA_BAR_FEATURE_COLUMNS` of rangebar 12.39.0."""


def section(title: str) -> str:
    """The text under a heading, up to the next of its level or above."""
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^##?#? |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[2]


def rows(title: str) -> list[list[str]]:
    """Cells of the tables under a heading, without their heads."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    heads = {place - 1 for place, row in enumerate(cells) if set(row[0]) <= set("-")}
    return [row for place, row in enumerate(cells) if place not in heads and place - 1 not in heads]


def ticked(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


COLUMNS = {ticked(old)[0]: ticked(new)[0] for old, new, _ in rows("Column by column")}


def test_every_public_name_has_its_place() -> None:
    named = {name for row in rows("Function by function") for name in ticked(row[0])}
    assert len(PUBLIC_NAMES) == len(set(PUBLIC_NAMES)) == 96
    assert set(PUBLIC_NAMES) <= named
    assert {name for name in named if "." not in name} <= set(PUBLIC_NAMES)


def test_every_name_of_this_library_exists() -> None:
    found = re.findall(r"\brb((?:\.\w+)+)", PAGE)
    assert len(found) > 15
    for path in found:
        thing: Any = rb
        for name in path.strip(".").split("."):
            thing = getattr(thing, name)
    for method in set(re.findall(r"\.rangebar\.(\w+)", PAGE)):
        assert callable(getattr(rb.LazyFrameRangeBar, method)), method
    assert set(re.findall(r"\b(to_(?:vectorbt|nanobook))\b", PAGE)) == set(exports.__all__)


def test_every_parameter_exists() -> None:
    functions = (rb.LazyFrameRangeBar.bars, rb.scan_binance, rb.scan_quotes)
    allowed = {name for function in functions for name in inspect.signature(function).parameters}
    table = rows("Parameter by parameter")
    assert len(table) >= 10
    named = {name for row in table for name in ticked(row[1]) if re.fullmatch(r"\w+(=.*)?", name)}
    assert {name.partition("=")[0] for name in named} - {"select"} <= allowed
    for call in (name for name in named if "=" in name):
        options = eval(f"dict({call})", {"rb": rb})
        rb.datasets.sample_trades(10, symbols=["BTCUSDT"]).rangebar.bars(250, **options)
    periods = next(row[1] for row in table if "ouroboros_mode" in row[0])
    assert set(re.findall(r'"(\w+)"', periods)) == set(get_args(ResetPeriod))


def test_columns_lead_to_columns() -> None:
    assert set(COLUMNS.values()) <= set(EVERYTHING)
    plain = set(rb.datasets.sample_trades(10).rangebar.bars(250).columns)
    assert plain - set(COLUMNS.values()) == {"close_reason"}
    windows = {COLUMNS.get(name, name) for name in WINDOW_COLUMNS}
    assert len(windows) == len(WINDOW_COLUMNS) == 38
    assert {name for name in EVERYTHING if name.startswith(("intra_", "lookback_"))} == windows


def from_rangebar() -> Any:
    """The function that the page defines, with the names that its examples have by then."""
    names: dict[str, Any] = {"pl": pl, "bars": rb.datasets.sample_trades(10).rangebar.bars(250)}
    for example in doctest.DocTestParser().get_examples(PAGE):
        if example.source.startswith("def from_rangebar"):
            exec(example.source, names)
    return names["from_rangebar"]


@pytest.mark.parametrize("threshold_dbps", [100, 250])
def test_stored_bars_under_the_new_names_are_the_new_bars(shared: Path, threshold_dbps: int) -> None:
    folder = shared / "spec" / "oracle"
    taken = ~pl.col("input").is_in(REFUSED)
    old = pl.read_parquet(folder / "bars_gate_on.parquet").filter(taken, threshold_dbps=threshold_dbps)
    keys = ["input", "threshold_dbps"]
    assert set(old.columns) - set(keys) <= set(COLUMNS)
    assert set(old.columns) - set(keys) | {"lookback_vwap_raw", "open_time_ms", "close_time_ms"} == set(COLUMNS)
    for name in set(old.columns) - set(keys):
        assert COLUMNS[name] == name
    trades = (
        pl.read_parquet(folder / "trades.parquet")
        .filter(taken)
        .with_columns(pl.col("timestamp").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))
    )
    order = ["input", "first_agg_trade_id"]
    new = trades.rangebar.bars(threshold_dbps, by="input").sort(order)
    moved = pl.concat(
        [old.select("input"), from_rangebar()(old.with_columns(data_source=pl.lit("x")))], how="horizontal"
    )
    moved = moved.sort(order)
    assert moved.schema == new.schema
    assert moved.height == new.height > 600
    for name, dtype in new.schema.items():
        if dtype.is_float():
            assert ((moved[name] - new[name]).abs() <= 1e-15 * new[name].abs()).all(), name
        else:
            assert moved[name].equals(new[name]), name


BARS_OF_MLFINLAB = {
    *(f"get_{name}_bars" for name in ("time", "tick", "volume", "dollar")),
    *(
        f"get_{how}_{what}_{kind}_bars"
        for how in ("const", "ema")
        for what in ("tick", "volume", "dollar")
        for kind in ("imbalance", "run")
    ),
    "cusum_filter",
}
"""What `mlfinlab.data_structures` has, and the filter of `mlfinlab.filters`."""


def test_every_kind_of_bars_of_mlfinlab_is_a_rule() -> None:
    kinds = [row for row in rows("From mlfinlab") if set(ticked(row[0])) & BARS_OF_MLFINLAB]
    assert {name for row in kinds for name in ticked(row[0])} == BARS_OF_MLFINLAB
    trades = rb.datasets.sample_trades(5_000, symbols=["BTCUSDT"])
    made = [rule_of_text(ticked(row[1])[0]) for row in kinds]
    assert len({str(rule) for rule in made}) == len(kinds) == 11
    bars = trades.rangebar.bars(made, include_incomplete=True)
    assert bars["rule"].n_unique() == len(kinds)
    for row, rule in zip(kinds, made, strict=True):
        for name, of in {"volume": "volume", "dollar": "turnover"}.items():
            assert all(
                (name in old) == (f'of="{of}"' in str(rule) or str(rule).lower().startswith(of))
                for old in ticked(row[0])
            )


def test_columns_of_mlfinlab() -> None:
    """Its definitions, in a loop over the trades of each bar."""
    table = rows("From mlfinlab")
    assert {"tick_num", "cum_ticks", "cum_buy_volume", "cum_dollar_value"} <= {
        n for row in table for n in ticked(row[0])
    }
    trades = rb.datasets.sample_trades(5_000).drop("agg_trade_id", "first_trade_id", "last_trade_id", strict=False)
    bars = trades.rangebar.bars(50)
    numbered = trades.rangebar.with_bar_id(50).with_row_index("row").partition_by("bar_id", maintain_order=True)
    assert bars.height > 5
    for bar, part in zip(bars.iter_rows(named=True), numbered, strict=False):
        assert bar["last_agg_trade_id"] + 1 == part["row"][-1] + 1
        assert bar["agg_record_count"] == part.height
        bought = part.filter(~pl.col("is_buyer_maker"))
        assert bar["buy_volume"] == pytest.approx(bought["quantity"].sum(), rel=1e-12)
        assert bar["turnover"] == pytest.approx((part["price"] * part["quantity"]).sum(), rel=1e-12)
        assert bar["close_time"] == part["timestamp"][-1]
