"""
The library beside what people use: the same trades, each contender in a process of its own.

::

    python -m benches.compare --install       # environments for the other packages, under build/compare
    python -m benches.compare                 # the table, 10 million trades
    python -m benches.compare --write-docs    # the table and the picture into docs/

`table` says who takes part, `contenders` is what a user of each writes, `worker` runs one of them once.
"""
