"""Where clocks begin, and how they tick."""

from __future__ import annotations

import datetime as dt

__all__ = ["EPOCH", "UNITS_PER_SECOND"]

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
UNITS_PER_SECOND = {"ms": 10**3, "us": 10**6, "ns": 10**9}
