"""The daemon's figures by name (docs/metrics.md shows them all). cdc/meter counts them."""

from typing import Final

from keyshift.process.metric import Metric

METRICS: Final = (
    Metric("keyshift_capture_active", "gauge", "Count", "1 while this daemon holds the lease, 0 while it stands by"),
    Metric("keyshift_capture_lag_seconds", "gauge", "Seconds", "how far the stream is behind the source"),
    Metric(
        "keyshift_capture_source_silent_seconds",
        "gauge",
        "Seconds",
        "since the source last said anything; an idle one sends heartbeats, so seconds mean that it is out of reach",
    ),
    Metric(
        "keyshift_capture_position_file_number", "gauge", "None", "binlog file up to which the stream has everything"
    ),
    Metric("keyshift_capture_position_offset_bytes", "gauge", "Bytes", "offset in that file"),
    Metric(
        "keyshift_capture_checkpoint_age_seconds",
        "gauge",
        "Seconds",
        "since the newest checkpoint was recorded; it grows while the source is idle",
    ),
    Metric("keyshift_capture_transactions_total", "counter", "Count", "transactions taken from the binlog"),
    Metric("keyshift_capture_rows_total", "counter", "Count", "changed rows put into their lanes"),
    Metric("keyshift_capture_records_total", "counter", "Count", "records accepted by the stream"),
    Metric("keyshift_capture_sent_bytes_total", "counter", "Bytes", "bytes of these records"),
    Metric("keyshift_capture_retries_total", "counter", "Count", "records that had to be sent again"),
    Metric("keyshift_capture_reconnects_total", "counter", "Count", "connections to the source that were lost"),
    Metric("keyshift_capture_in_flight_records", "gauge", "Count", "records sent and not answered yet"),
    Metric("keyshift_capture_inbox_bytes", "gauge", "Bytes", "read, and not in their lanes yet"),
    Metric("keyshift_capture_outbox_bytes", "gauge", "Bytes", "in their lanes, and not accepted yet"),
)
