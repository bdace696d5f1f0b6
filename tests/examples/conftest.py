"""The command line in this process, for the examples too."""

from tests.cli.conftest import keyshift

__all__ = ["keyshift"]
