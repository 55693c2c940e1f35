"""
One file a contender: what a user writes to go from a lake of trades to bars, and nothing else.

Its `bars(lake)` is what is timed, and all lines of code in it are counted.
"""
