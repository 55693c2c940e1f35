"""Which column of a file is what: by its header, or by the order that the preset gives."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from rangebar_polars._common.messages import cut, listed, shown_path
from rangebar_polars._readers.preset import FIELDS, Preset, required_fields
from rangebar_polars.exceptions import RangeBarError

__all__ = ["Layout", "layout_of", "layout_of_names", "split"]


@dataclass(frozen=True)
class Layout:
    """Which column is what."""

    positions: dict[str, int]
    """The numbers of the columns by their fields, in the order of FIELDS."""
    only: int | None
    """The number of the column that tells whether a row is a trade."""
    width: int
    """How many columns there are: without a header, as most of the first rows have."""
    header: str | None
    """The first line, if it is a header."""
    is_told: bool
    """Whether that it is a header is told in the report: it may be a row without a number."""
    absent: list[str]
    """Fields that the preset has and the file does not."""
    others: list[str]
    """Columns of the header that nobody asked for."""


def layout_of(file: str, lines: Sequence[str], preset: Preset) -> Layout:
    """The layout of a file that begins with some lines; an error if a required column cannot be found."""
    rows = [split(line, preset.delimiter) for line in lines]
    names = _folded(rows[0])
    required = required_fields(preset)
    by_name = _found(names, preset)
    has_number = any(map(_is_number, names))
    if any(field in by_name for field in required) and not has_number:
        return _with_header(file, lines[0], rows[0], by_name, preset)
    by_number = all(any(isinstance(alias, int) for alias in preset.aliases(field)) for field in required)
    if not has_number and by_number and any(_is_number(text) for row in rows[1:] for text in row):
        return _with_header(file, lines[0], rows[0], by_name, preset, is_told=True)
    if not has_number and not (by_number and any(names)):
        raise _unknown(file, names, preset)
    return _without_header(file, rows, preset)


def layout_of_names(file: str, columns: Sequence[str], preset: Preset) -> Layout:
    """The layout of a table whose columns have names."""
    return _with_header(file, "", columns, _found(_folded(columns), preset), preset)


def split(line: str, delimiter: str) -> list[str]:
    """The fields of a line, without blanks and quotes around them; a quoted field may have the delimiter in it."""
    text = line.rstrip("\r\n")
    fields = text.split(delimiter)
    if '"' in text:
        with suppress(csv.Error):  # too long to be a field
            fields = next(csv.reader([text], delimiter=delimiter), fields)
    return [field.strip(' \t\r"') for field in fields]


def _folded(names: Sequence[str]) -> list[str]:
    return [name.strip().casefold() for name in names]


def _plain(name: str) -> str:
    """A name in a header without its translation, which follows a slash."""
    return name.partition("/")[0].strip()


def _found(names: Sequence[str], preset: Preset) -> dict[str, int]:
    """The numbers of the columns that are found by name."""
    known = _numbers(names)
    return {field: position for field in FIELDS if (position := _find(preset, field, known)) is not None}


def _find(preset: Preset, field: str, known: Mapping[str, int]) -> int | None:
    positions = (_position(alias, known) for alias in preset.aliases(field) if isinstance(alias, str))
    return next((position for position in positions if position is not None), None)


def _position(name: str, known: Mapping[str, int]) -> int | None:
    return known.get(name.strip().casefold())


def _numbers(names: Sequence[str]) -> dict[str, int]:
    """The numbers of columns by their whole names, and else by what stands before a slash: of equal ones, the first."""
    known: dict[str, int] = {}
    for texts in (names, map(_plain, names)):
        for number, name in enumerate(texts):
            known.setdefault(name, number)
    return known


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _with_header(
    file: str, line: str, columns: Sequence[str], found: dict[str, int], preset: Preset, *, is_told: bool = False
) -> Layout:
    names = _folded(columns)
    for field in preset.columns:
        number = _number_of(preset, field)
        if field not in found and number is not None and number < len(names):
            found[field] = number
        elif field not in found and field in required_fields(preset):
            raise _unknown(file, names, preset, missing=field)
    for field, position in found.items():
        count = names.count(names[position])
        if count > 1 and position != _number_of(preset, field):
            name = names[position]
            msg = f"{shown_path(file)} has {count} columns `{name}`, which was to be `{field}`: give its number"
            raise RangeBarError(msg)
    only = _only(file, names, preset)
    _check_once(file, columns, found, only)
    used = {*found.values(), only}
    return Layout(
        positions={field: found[field] for field in FIELDS if field in found},
        only=only,
        width=len(names),
        header=line.rstrip("\r\n"),
        is_told=is_told,
        absent=[field for field in preset.columns if field not in found],
        others=[name for number, name in enumerate(columns) if number not in used],
    )


def _without_header(file: str, rows: Sequence[Sequence[str]], preset: Preset) -> Layout:
    width = Counter(len(row) for row in rows).most_common(1)[0][0]
    header = _folded(preset.header or ())
    if header and width > len(header):
        most = len(header)
        msg = f"{shown_path(file)} has no header and {width} columns, more than the {most} that `{preset.name}` has"
        raise RangeBarError(msg)
    known = _numbers(header)
    positions: dict[str, int] = {}
    for field in preset.columns:
        number = _number_of(preset, field)
        position = _find(preset, field, known) if number is None else number
        if position is not None and position < width:
            positions[field] = position
    for field in required_fields(preset):
        if field not in positions:
            if not header and _number_of(preset, field) is None:
                first = preset.delimiter.join(rows[0])
                msg = (
                    f"{shown_path(file)} begins with the row {cut(first)!r}, not with a "
                    "header: give `columns` by number, as in {'timestamp': 0, 'price': 1, 'quantity': 2}"
                )
                raise RangeBarError(msg)
            msg = f"{shown_path(file)} has {width} columns, too few for the `{field}` of `{preset.name}`"
            raise RangeBarError(msg)
    only = None if preset.only is None else _position(preset.only[0], known)
    if preset.only is not None and (only is None or only >= width):
        msg = (
            f"{shown_path(file)} has no header, and so no column `{preset.only[0]}`, which tells what is a trade in "
            f"files of `{preset.name}`"
        )
        raise RangeBarError(msg)
    _check_once(file, header or [str(number) for number in range(width)], positions, only)
    return Layout(
        positions={field: positions[field] for field in FIELDS if field in positions},
        only=only,
        width=width,
        header=None,
        is_told=False,
        absent=[field for field in preset.columns if field not in positions],
        others=[],
    )


def _number_of(preset: Preset, field: str) -> int | None:
    return next((alias for alias in preset.aliases(field) if isinstance(alias, int)), None)


def _check_once(file: str, names: Sequence[str], positions: dict[str, int], only: int | None) -> None:
    """No column is two things."""
    fields: dict[int, str] = {} if only is None else {only: "only"}
    for field, position in positions.items():
        if position in fields:
            msg = (
                f"{shown_path(file)}: the column `{names[position]}` cannot be both `{fields[position]}` and `{field}`"
            )
            raise RangeBarError(msg)
        fields[position] = field


def _only(file: str, names: Sequence[str], preset: Preset) -> int | None:
    if preset.only is None:
        return None
    position = _position(preset.only[0], _numbers(names))
    if position is None:
        name = preset.only[0]
        msg = f"{shown_path(file)} has no column `{name}`, which tells what is a trade in files of `{preset.name}`"
        raise RangeBarError(msg)
    return position


def _unknown(file: str, names: Sequence[str], preset: Preset, missing: str | None = None) -> RangeBarError:
    field = missing or required_fields(preset)[0]
    wanted = [str(alias) for alias in preset.aliases(field)]
    other = _delimiter_of(names, preset)
    remedy = (
        f"its columns seem to be separated by {other!r}, so give a preset with that, `Preset(delimiter={other!r})`"
        if other is not None
        else f"say what is what with `columns=`, as in `columns={{{field!r}: '<name of the column>'}}`"
    )
    msg = (
        f"{shown_path(file)} has no column {' or '.join(f'`{name}`' for name in wanted) or f'for `{field}`'}, "
        f"the `{field}` of `{preset.name}`: it has {listed(names)}; {remedy}"
    )
    return RangeBarError(msg)


def _delimiter_of(names: Sequence[str], preset: Preset) -> str | None:
    """What separates the columns of a header that was taken for a single one."""
    others = [each for each in ",;\t|" if each != preset.delimiter and len(names) == 1 and each in names[0]]
    return max(others, key=names[0].count, default=None)
