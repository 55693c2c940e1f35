"""Contract layer, labels: purged splits against loops over rows, and in scikit-learn."""

from __future__ import annotations

import datetime as dt
import pickle
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rangebar_polars as rb

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NOON = dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC)


def oracle(
    n: int, start: Sequence[Any], end: Sequence[Any], rows_after: int, time_after: Any
) -> Iterator[tuple[list[int], list[int]]]:
    """The definition: rows in the order of their starts, each fold against each row."""
    order = sorted(range(len(start)), key=lambda row: start[row])
    sizes = [len(order) // n + (fold < len(order) % n) for fold in range(n)]
    for fold in range(n):
        begin = sum(sizes[:fold])
        test = order[begin : begin + sizes[fold]]
        first, last = min(start[row] for row in test), max(end[row] for row in test)
        train = []
        embargoed = [row for row in order if start[row] > last][:rows_after]
        for row in range(len(start)):
            overlaps = start[row] <= last and end[row] >= first
            waits = row in embargoed or (not overlaps and last < start[row] <= last + time_after)
            if not overlaps and not waits:
                train.append(row)
        yield train, sorted(test)


def found(splits: Any, x: Any = None) -> Iterator[tuple[list[int], list[int]] | None]:
    pairs = splits.split(x)
    while True:
        try:
            train, test = next(pairs)
        except StopIteration:
            return
        except rb.RangeBarError:
            yield None
            return
        yield train.tolist(), test.tolist()


def same(splits: Any, expected: Iterator[tuple[list[int], list[int]]]) -> None:
    """Until a training set is empty, which is an error."""
    for one, other in zip(found(splits), expected, strict=False):
        assert one == (other if other[0] else None)


@given(
    n=st.integers(2, 6),
    spans=st.lists(st.integers(0, 5), min_size=6, max_size=40),
    embargo=st.integers(0, 4),
)
def test_splits_of_rows_are_those_of_loops(n: int, spans: list[int], embargo: int) -> None:
    end = [row + span for row, span in enumerate(spans)]
    splits = rb.purged_splits(n, end, embargo)
    assert splits.get_n_splits() == n
    same(splits, oracle(n, range(len(spans)), end, embargo, 0))


@given(
    n=st.integers(2, 5),
    labels=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 4)), min_size=5, max_size=40),
    embargo=st.integers(0, 4),
    unit=st.sampled_from(["ms", "us", "ns"]),
    by_time=st.booleans(),
)
def test_splits_of_times_are_those_of_loops(
    n: int, labels: list[tuple[int, int]], embargo: int, unit: Any, by_time: bool
) -> None:
    """In no order and with ties, as several symbols one after the other have."""
    hours = [(NOON + dt.timedelta(hours=at), NOON + dt.timedelta(hours=at + span)) for at, span in labels]
    start, end = ([one[side] for one in hours] for side in (0, 1))
    series = [pl.Series(values, dtype=pl.Datetime(unit, "UTC")) for values in (start, end)]
    waits = dt.timedelta(hours=embargo)
    splits = rb.purged_splits(n, series[1], waits if by_time else embargo, label_start=series[0])
    expected = oracle(n, start, end, 0 if by_time else embargo, waits if by_time else dt.timedelta(0))
    same(splits, expected)
    numbers = rb.purged_splits(n, [at + span for at, span in labels], embargo, label_start=[at for at, _ in labels])
    same(numbers, oracle(n, [at for at, _ in labels], [at + span for at, span in labels], embargo, 0))


@given(st.data())
def test_test_sets_are_a_partition_and_training_knows_nothing_of_them(data: st.DataObject) -> None:
    rows = data.draw(st.integers(10, 60))
    end = [row + data.draw(st.integers(0, 2)) for row in range(rows)]
    splits = list(rb.purged_splits(3, end, data.draw(st.integers(0, 1))).split())
    assert sorted(row for _, test in splits for row in test.tolist()) == list(range(rows))
    for train, test in splits:
        used = {bar for row in test.tolist() for bar in range(row, end[row] + 1)}
        assert not used & {bar for row in train.tolist() for bar in range(row, end[row] + 1)}


def test_the_example_of_the_book() -> None:
    """Purging takes away what overlaps the test set on either side, the embargo only what follows."""
    splits = rb.purged_splits(5, [row + 2 for row in range(20)], 2)
    train, test = list(splits.split())[2]
    assert test.tolist() == [8, 9, 10, 11]
    assert train.tolist() == [*range(6), *range(16, 20)]


def test_scikit_learn_takes_the_splits() -> None:
    numpy = pytest.importorskip("numpy")
    selection = pytest.importorskip("sklearn.model_selection")
    tree = pytest.importorskip("sklearn.tree")
    x = numpy.arange(300.0).reshape(100, 3)
    y = numpy.arange(100) // 7 % 2
    splits = rb.purged_splits(5, range(1, 101), 1)
    model = tree.DecisionTreeClassifier(max_depth=3, random_state=0)
    scores = selection.cross_val_score(model, x, y, cv=splits)
    assert scores.tolist() == [
        model.fit(x[train], y[train]).score(x[test], y[test]) for train, test in splits.split(x, y)
    ]
    assert selection.cross_val_predict(model, x, y, cv=splits).shape == (100,)
    search = selection.GridSearchCV(model, {"max_depth": [1, 2]}, cv=splits).fit(x, y)
    assert search.n_splits_ == 5
    assert selection.check_cv(splits) is splits
    frame = pl.DataFrame(x)
    assert selection.cross_val_score(model, frame, y, cv=splits).tolist() == scores.tolist()
    again = pickle.loads(pickle.dumps(splits))
    assert [found.tolist() for one in again.split() for found in one] == [
        found.tolist() for one in splits.split() for found in one
    ]


def test_a_sparse_matrix_has_rows_too() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    assert len(list(rb.purged_splits(2, range(6)).split(sparse.eye_array(6, format="csr")))) == 2


def test_what_a_series_can_be_made_of() -> None:
    numpy = pytest.importorskip("numpy")
    expected = list(found(rb.purged_splits(2, [1, 2, 3, 4, 5, 6])))
    dates = [dt.date(2024, 1, day) for day in range(1, 8)]
    for end, start in (
        (pl.Series([1, 2, 3, 4, 5, 6], dtype=pl.UInt32), None),
        (numpy.arange(1, 7), None),
        (dates[1:], dates[:-1]),
        (numpy.array(dates[1:], dtype="datetime64[ns]"), numpy.array(dates[:-1], dtype="datetime64[ns]")),
    ):
        assert list(found(rb.purged_splits(2, end, label_start=start))) == expected


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((1, [1, 2]), "`n` must be an integer of at least 2, got 1"),
        ((True, [1, 2]), "`n` must be an integer of at least 2, got True"),
        ((3, [1, 2]), "`n` must be at most the number of rows, 2, got 3"),
        ((2, "exit_time"), "`label_end` must be a Series, a list or an array, got 'exit_time'"),
        ((2, pl.col("exit_time")), "`label_end` must be a Series, a list or an array, got"),
        ((2, None), "`label_end` must be a Series, a list or an array, got None"),
        ((2, [1.0, 2.0]), "`label_end` must be of integers or times, got Float64"),
        ((2, []), "`n` must be at most the number of rows, 0, got 2"),
        ((2, [None, None]), "`label_end` must not be null, got null at row 0"),
        ((2, {"a": 1}), "`label_end` must be of integers or times, got"),
        ((2, [1, None]), "`label_end` must not be null, got null at row 1: leave out such rows, of X too"),
        ((2, [1, "a"]), "`label_end` must be of integers or times, got"),
        ((2, pl.Series([2**64 - 1, 1], dtype=pl.UInt64)), "`label_end` must be of integers or times, got"),
        ((2, [0, 0]), "`label_end` must not be before the start of its label, got 0 before 1 at row 1"),
        ((2, [NOON, NOON]), r"`label_end` is Datetime\(.*: give the times at which labels start as `label_start`"),
        ((2, [1, 2], -1), "`embargo` must be a number of rows or a timedelta, of at least 0, got -1"),
        ((2, [1, 2], 0.01), "`embargo` must be a number of rows or a timedelta, .*, got 0.01: 1 % of the rows is"),
        ((2, [1, 2], dt.timedelta(-1)), "`embargo` must be a number of rows or a timedelta"),
        ((2, [1, 2], dt.timedelta(1)), "`embargo` is a time, .*, but labels start and end at integers"),
    ],
)
def test_parameters_are_refused(arguments: tuple[Any, ...], text: str) -> None:
    with pytest.raises(rb.RangeBarError, match=text):
        rb.purged_splits(*arguments)


def test_starts_must_fit_the_ends() -> None:
    for start in ([1], [NOON, NOON]):
        with pytest.raises(
            rb.RangeBarError, match="`label_start` and `label_end` must have one dtype and as many rows"
        ):
            rb.purged_splits(2, [1, 2], label_start=start)


def test_other_rows_and_empty_training_sets_are_refused() -> None:
    splits = rb.purged_splits(2, range(6))
    with pytest.raises(rb.RangeBarError, match="X must have as many rows as `label_end`, 6, got 5"):
        next(splits.split(range(5)))
    with pytest.raises(rb.RangeBarError, match="no training row is left for test set 0 of 2"):
        next(rb.purged_splits(2, [9] * 6).split())
    with pytest.raises(rb.RangeBarError, match="no training row is left for test set 0 of 2"):
        next(rb.purged_splits(2, range(6), 10**30).split())
    assert repr(rb.purged_splits(2, range(6), 1)) == "PurgedSplits(n=2, rows=6, embargo=1)"
