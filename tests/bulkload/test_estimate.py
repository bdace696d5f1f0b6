"""How many rows a chunk may have: bounded by rows and by bytes, and never none."""

from hypothesis import given
from hypothesis import strategies as st

from bulkload.estimate import CHUNK_BYTES_MAX, FIRST_ROWS_MAX, GROWTH_MAX, Estimate, first_limit, next_limit

counts = st.integers(1, 10**6)


@given(counts, st.integers(0, 10**9))
def test_the_first_chunk_of_a_run_is_small_whatever_the_server_believes(chunk_rows: int, row_bytes: int) -> None:
    limit = first_limit(Estimate(rows=1, row_bytes=row_bytes), chunk_rows)
    assert 1 <= limit <= min(FIRST_ROWS_MAX, chunk_rows)
    assert limit == 1 or limit * row_bytes <= CHUNK_BYTES_MAX


@given(counts, counts, st.integers(0, 10**10), counts)
def test_the_next_chunk_would_have_fitted(limit: int, rows: int, raw_bytes: int, chunk_rows: int) -> None:
    found = next_limit(limit, rows, raw_bytes, chunk_rows)
    assert 1 <= found <= chunk_rows
    assert found <= max(1, limit * GROWTH_MAX)
    assert found == 1 or found * raw_bytes <= CHUNK_BYTES_MAX * rows


def test_small_rows_soon_make_chunks_of_the_size_that_was_asked_for() -> None:
    limit, chunks = first_limit(Estimate(10**6, 100), 10_000), 1
    while limit < 10_000:
        limit, chunks = next_limit(limit, limit, 100 * limit, 10_000), chunks + 1
    assert chunks == 5
