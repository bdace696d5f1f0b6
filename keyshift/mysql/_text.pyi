from collections.abc import Sequence

from keymap.values import Row
from keyshift.mysql.text_rows import Extra
from keyshift.mysql.text_values import TextColumn

class Scanner:
    def __init__(self, columns: Sequence[TextColumn], extra: int = ...) -> None: ...
    def scan(self, data: bytes, at: int, sequence: int, rows: list[Row], extras: list[Extra]) -> tuple[int, int]: ...
