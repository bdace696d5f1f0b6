"""`keyshift doctor`: from this very host, is everything reachable and permitted, and what is missing?"""

import secrets
from collections.abc import Callable
from functools import partial
from typing import Any

import click

from keymap.targets import Target
from keyshift.aws import items, stream
from keyshift.aws.clients import DynamoDBClient, explaining
from keyshift.aws.probe import endpoint_notes
from keyshift.cli import show
from keyshift.cli.checks import Checks
from keyshift.cli.errors import EXIT_FOUND
from keyshift.cli.finding import Finding, attempt
from keyshift.cli.wiring import Wiring, pass_wiring

_NOBODYS: dict[str, Any] = {"S": "doctor", "N": "0", "B": b"doctor"}
_ENDPOINT = "endpoint of the target tables"
Probe = tuple[str, Callable[[], str]]  # its name, and the calls, which return what was seen


@click.command()
@pass_wiring
@click.pass_context
def doctor(context: click.Context, wiring: Wiring) -> None:
    """Try every endpoint and permission that the migration needs. Exits with 1 when something is wrong.

    It changes nothing but one small object in the bucket, which it removes again. What cannot be tried without leaving
    a trace (PutRecords, creating resources) is tried by the commands that need it.
    """
    wiring.log()
    wiring.settings  # noqa: B018 - a mistake in it is told by itself
    findings = [attempt("AWS identity", partial(_identity, wiring)), *Checks(wiring).all()]
    seen = {finding.name for finding in findings if finding.present}
    findings += [attempt(name, partial(_probed, name, look)) for name, look in _probes(wiring, seen)]
    findings += [attempt(_ENDPOINT, partial(_endpoint, wiring, target)) for target in _first_target(wiring, seen)]
    show.lines(line for finding in findings for line in _lines(finding))
    wrong = any(finding.problems or finding.gone for finding in findings)
    click.echo("something is wrong: mend what is marked FAIL" if wrong else "everything that was tried is in order")
    context.exit(EXIT_FOUND if wrong else 0)


def _lines(finding: Finding) -> list[show.Line]:
    wrong = [show.Line(show.FAIL, one.where, one.what, one.remedy) for one in finding.problems + finding.gone]
    notes = [show.Line(show.NOTE, one.where, one.what, one.remedy) for one in finding.notes]
    good = [show.Line(show.OK, finding.name, finding.evidence)] if finding.evidence and not wrong else []
    return wrong + good + notes


def _probed(name: str, look: Callable[[], str]) -> Finding:
    return Finding(name, look())


def _first_target(wiring: Wiring, seen: set[str]) -> list[Target]:
    """A table on which the endpoint of all of them can be tried, if there is one."""
    if not any(one.startswith("table ") for one in seen):
        return []
    return [target for name, target in wiring.keymap.targets.items() if f"table {name}" in seen][:1]


def _endpoint(wiring: Wiring, target: Target) -> Finding:
    notes = endpoint_notes(wiring.clients.dynamodb, target)
    return Finding(_ENDPOINT, "" if notes else "knows all that goes beyond the basic API", notes=tuple(notes))


def _identity(wiring: Wiring) -> Finding:
    region = wiring.clients.region or "no region"
    if _is_local(wiring):
        return Finding("AWS identity", f"not asked for: the endpoints are not AWS's ({region})")
    with explaining("asking who we are"):
        return Finding("AWS identity", f"{wiring.clients.sts.get_caller_identity()['Arn']} in {region}")


def _is_local(wiring: Wiring) -> bool:
    """Whether DynamoDB is a stand-in while STS would be AWS's own, which does not know the stand-in's credentials."""
    clients = wiring.clients
    return (
        "amazonaws.com" not in clients.dynamodb.meta.endpoint_url and "amazonaws.com" in clients.sts.meta.endpoint_url
    )


def _probes(wiring: Wiring, seen: set[str]) -> list[Probe]:
    """Calls of the kinds that the parts make, on what is there."""
    probes: list[Probe] = []
    if "control table" in seen:
        control = wiring.settings.control_table
        key = {"migration": {"S": "doctor"}, "item": {"S": "doctor"}}
        probes.append((f"use of table {control}", partial(_use_table, wiring, wiring.clients.control, control, key)))
    for name, target in wiring.keymap.targets.items() if any(one.startswith("table ") for one in seen) else ():
        if f"table {name}" in seen:
            key = {part.name: {part.type: _NOBODYS[part.type]} for part in target.keys}
            probes.append((f"use of table {name}", partial(_use_table, wiring, wiring.clients.dynamodb, name, key)))
    if "stream" in seen:
        probes.append((f"reading stream {wiring.settings.stream.name}", partial(_read_stream, wiring)))
    if "bucket" in seen:
        probes.append((f"use of bucket {wiring.settings.bucket.name}", partial(_use_bucket, wiring)))
    return probes


def _use_table(wiring: Wiring, client: DynamoDBClient, name: str, key: dict[str, Any]) -> str:
    """Reads, and writes whose condition can never hold: permission is looked at first, and nothing is written."""
    pk = next(iter(key))
    never = {
        "TableName": name,
        "ConditionExpression": "attribute_exists(#pk) AND attribute_not_exists(#pk)",
        "ExpressionAttributeNames": {"#pk": pk},
    }
    with explaining(f"using table {name}"):
        client.get_item(TableName=name, Key=key, ConsistentRead=True)
        client.scan(TableName=name, Limit=1, ConsistentRead=True)
        items.put(client, {**never, "Item": key}, stop=wiring.stop)
        items.update(client, {**never, "Key": key}, stop=wiring.stop)
        items.delete(client, {**never, "Key": key}, stop=wiring.stop)
    return "GetItem, Scan, PutItem, UpdateItem, DeleteItem permitted"


def _read_stream(wiring: Wiring) -> str:
    kinesis, name = wiring.clients.kinesis, wiring.settings.stream.name
    with explaining(f"reading stream {name}"):
        (first, *_) = stream.shards(kinesis, name)
        stream.get_records(kinesis, stream.iterator_for(kinesis, name, first.id, None), 1)
    return "ListShards, GetShardIterator, GetRecords permitted"


def _use_bucket(wiring: Wiring) -> str:
    s3, bucket = wiring.clients.s3, wiring.settings.bucket
    key = f"{bucket.prefix}/doctor-{secrets.token_hex(4)}"
    with explaining(f"using s3://{bucket.name}/{bucket.prefix}/"):
        s3.put_object(Bucket=bucket.name, Key=key, Body=b"")
        s3.get_object(Bucket=bucket.name, Key=key)["Body"].close()
        s3.delete_object(Bucket=bucket.name, Key=key)
    return "PutObject, GetObject, DeleteObject permitted"
