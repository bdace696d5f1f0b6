"""What fails in the comparison itself is shown in full, as in a test."""

import pytest

pytest.register_assert_rewrite("tests.types.both")
