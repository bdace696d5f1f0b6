"""Entries in memory and on disk are one list, wherever they are cut."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.entries import Entries, Entry, Mark
from keymap.version import version


def entry(number: int, size: int, lanes: tuple[int, ...] = (1,)) -> Entry:
    return Entry(lanes, version(1, 1, number, 0), bytes([number % 251]) * size)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 600), st.lists(st.integers(0, 4095), max_size=4)),
        st.tuples(st.just("mark"), st.none(), st.none()),
        st.tuples(st.just("cut"), st.integers(0, 10), st.none()),
    ),
    max_size=40,
)


@given(STEPS, st.integers(0, 3000))
def test_entries_are_a_list_that_can_be_cut_back_to_any_mark(steps: list[tuple], memory_bytes_max: int) -> None:
    entries, model = Entries(memory_bytes_max), []
    marks: list[tuple[Mark, int]] = []
    for number, (step, value, lanes) in enumerate(steps):
        if step == "add":
            added = entry(number, value, tuple(lanes))
            entries.extend([added])
            model.append(added)
        elif step == "mark":
            marks.append((entries.mark(), len(model)))
        elif marks:
            chosen = value % len(marks)
            mark, length = marks[chosen]
            entries.cut(mark)
            del model[length:]
            del marks[chosen + 1 :]
        assert entries.count == len(model)
        assert entries.memory_bytes <= memory_bytes_max
    assert list(entries) == model
    entries.close()


def test_memory_stays_bounded_and_nothing_is_left_on_disk(tmp_path: Path) -> None:
    entries = Entries(100_000, tmp_path)
    for number in range(2_000):
        entries.extend([entry(number, 1_000)])
        assert entries.memory_bytes <= 100_000
    assert [found.version for found in entries] == [version(1, 1, number, 0) for number in range(2_000)]
    assert list(tmp_path.iterdir()) == []
    entries.close()


def test_a_folder_that_cannot_be_written_is_an_error_not_a_loss(tmp_path: Path) -> None:
    entries = Entries(0, tmp_path / "missing")
    with pytest.raises(FileNotFoundError):
        entries.extend([entry(1, 10)])
