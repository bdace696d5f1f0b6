"""Bodies of rows events, read as the daemon reads them: the header first, then the rows behind it."""

from keymap.values import Row
from keyshift.binlog import partial, rowevents
from keyshift.binlog.packets import PARTIAL_UPDATE


def images(kind: int, body: bytes, table: rowevents.Table) -> rowevents.Images:
    """The rows of an event of whole rows."""
    return rowevents.images(table.header(kind, body), kind, body, table)


def partial_images(body: bytes, table: rowevents.Table) -> list[tuple[Row, Row]]:
    """The rows of a partial update."""
    return partial.partial_images(rowevents.rows_header(PARTIAL_UPDATE, body), body, table)
