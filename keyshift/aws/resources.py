"""What `keyshift init` makes, `doctor` looks at and `destroy` removes: a stream, tables, a bucket.

Every call may be repeated, by us or after a crash, and ends in the same state. `ensure_*` answers whether the resource
is the owner's own creation, in this call or an earlier one (keyshift/aws/ownership); what is not is left as it was.
"""

from keyshift.aws.own_bucket import bucket_exists, delete_bucket, empty_bucket, ensure_bucket
from keyshift.aws.own_stream import StreamFacts, check_stream, delete_stream, ensure_stream, stream_facts
from keyshift.aws.own_table import (
    CONTROL_KEYS,
    adopt_table,
    delete_table,
    ensure_control_table,
    ensure_table,
    table_arn,
    table_keys,
    table_problems,
)
from keyshift.aws.ownership import TAG
from keyshift.aws.table_shape import check_keys

__all__ = [
    "CONTROL_KEYS",
    "TAG",
    "StreamFacts",
    "adopt_table",
    "bucket_exists",
    "check_keys",
    "check_stream",
    "delete_bucket",
    "delete_stream",
    "delete_table",
    "empty_bucket",
    "ensure_bucket",
    "ensure_control_table",
    "ensure_stream",
    "ensure_table",
    "stream_facts",
    "table_arn",
    "table_keys",
    "table_problems",
]
