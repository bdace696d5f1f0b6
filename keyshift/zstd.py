"""The door to zstd: Python's own from 3.14 on, its backport below (docs/decisions/0005)."""

import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["zstd"]
