# MySQL's binary JSON to canonical text in C: the usual documents; None for what keyshift.binlog.jsonb must look at.

from keymap.values import Json

def canonical(data: bytes, at: int, end: int) -> Json | None: ...
