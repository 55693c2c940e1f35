# mypy: ignore-errors
"""nautilus_trader: its trades, through its aggregator of Renko bars. A brick is 0.25 % of the first price."""

import polars as pl
from nautilus_trader.data.aggregation import RenkoBarAggregator
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.persistence.wranglers import TradeTickDataWrangler
from nautilus_trader.test_kit.providers import TestInstrumentProvider

COLUMNS = ["timestamp", "price", "quantity", pl.col("is_buyer_maker").alias("buyer_maker"), "trade_id"]


def bars(lake: str) -> list[Bar]:
    trades = pl.scan_parquet(lake).with_columns(trade_id="agg_trade_id").select(COLUMNS)
    # A tick is a cent.
    ticks = round(trades.select(pl.first("price")).collect().item() * 0.25)
    instrument = TestInstrumentProvider.btcusdt_binance()
    kind = BarType.from_str(f"{instrument.id}-{ticks}-RENKO-LAST-INTERNAL")
    result = []
    aggregator = RenkoBarAggregator(instrument, kind, result.append)
    wrangler = TradeTickDataWrangler(instrument)
    for batch in trades.collect_batches(chunk_size=500_000, engine="streaming", maintain_order=True):
        for trade in wrangler.process(batch.to_pandas().set_index("timestamp")):
            aggregator.handle_trade_tick(trade)
    return result
