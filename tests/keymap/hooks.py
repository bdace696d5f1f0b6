"""Hooks that tests name as an installed module's."""

from keymap.values import Row


def parts(row: Row) -> list[Row]:
    """None, one or two rows, by the quantity."""
    quantity = row["quantity"]
    assert isinstance(quantity, int)
    return [{**row, "part": part} for part in range(quantity % 3)]
