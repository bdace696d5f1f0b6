"""Tables that delete items by themselves (TTL), while they are compared with a source that does not."""

from typing import Final

from keymap.errors import Problem
from keyshift.aws.clients import ClientError, DynamoDBClient, error_code, explaining

_ON: Final = frozenset({"ENABLED", "ENABLING"})
_UNASKED: Final = frozenset({"AccessDeniedException", "UnknownOperationException"})


def ttl_attribute(client: DynamoDBClient, table: str) -> str | None:
    """The attribute by which the table's items expire, "" where TTL is off; None where we may not ask.

    Raises KeyshiftError where AWS cannot be asked, also for a table that is not there.
    """
    with explaining(f"asking for the TTL of table {table}"):
        try:
            found = client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
        except ClientError as error:
            if error_code(error) in _UNASKED:
                return None
            raise
    return str(found.get("AttributeName", "")) if found.get("TimeToLiveStatus") in _ON else ""


def ttl_risks(table: str, attribute: str | None) -> list[Problem]:
    """What somebody should know of a table with TTL on."""
    where = f"table {table}"
    if attribute is None:
        remedy = "Allow dynamodb:DescribeTimeToLive, or make sure that it is off until the application has switched"
        return [Problem(where, "we may not ask whether its items expire (TTL)", remedy)]
    if not attribute:
        return []
    what = f"TTL is on: it deletes items whose {attribute} is past, and the source still has their rows"
    return [Problem(where, f"{what}, so that verify finds them missing", TTL_REMEDY)]


TTL_REMEDY: Final = (
    "Switch it off (aws dynamodb update-time-to-live), and on again once the application has switched: what has "
    "expired by then goes within days. Or delete such rows at the source first, or keep them out (where, in the keymap)"
)
