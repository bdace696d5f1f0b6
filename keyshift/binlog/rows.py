"""Which decoder of row images is used: the compiled one where it is there and wanted, else the generated one."""

from collections.abc import Callable, Sequence

from keyshift import native
from keyshift.binlog.fields import Field
from keyshift.binlog.generate import GeneratedRows
from keyshift.binlog.reference import BROKEN, ReferenceRows, RowCodec, malformed

__all__ = ["BROKEN", "ReferenceRows", "RowCodec", "compile_rows", "malformed"]


def compile_rows(fields: Sequence[Field]) -> RowCodec:
    """The fastest decoder there is for images of these columns."""
    return _compiler()(fields)


def _compiler() -> Callable[[Sequence[Field]], RowCodec]:
    core = native.load("keyshift.binlog._core")
    found: Callable[[Sequence[Field]], RowCodec] = core.CompiledRows if core else GeneratedRows
    return found
