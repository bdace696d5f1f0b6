"""A client that makes its few calls by itself, and leaves all others to the client of boto3 that it is made from.

boto3's client stays the authority. Before the first call it is asked to prepare one of the same kind, and that is
stopped right before it would be signed: its URL, region and headers hold whatever the environment, the profile and the
settings say (endpoints, FIPS, dual stack, account endpoints). Credentials are the session's, refreshed by botocore.
Errors are botocore's too, so callers cannot tell the two clients apart.
"""

import os
import threading
import time
import zlib
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any, Final

from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ChecksumError, ClientError, NoCredentialsError
from botocore.httpsession import get_cert_path
from botocore.parsers import ResponseParserError
from botocore.utils import get_environ_proxies

from keyshift.aws.lean.body import Document, decode, decode_error, encode
from keyshift.aws.lean.connection import Answer, Timeouts
from keyshift.aws.lean.retries import Retries
from keyshift.aws.lean.route import route_to
from keyshift.aws.lean.sender import Hooks, Sender, Way, trusting
from keyshift.aws.lean.signature import Signer
from keyshift.aws.lean.window import Window

CALLS: Final[Mapping[str, Mapping[str, str]]] = {  # by service: as methods, and as AWS names them
    "dynamodb": {
        "batch_get_item": "BatchGetItem",
        "batch_write_item": "BatchWriteItem",
        "delete_item": "DeleteItem",
        "get_item": "GetItem",
        "put_item": "PutItem",
        "query": "Query",
        "scan": "Scan",
        "transact_write_items": "TransactWriteItems",
        "update_item": "UpdateItem",
    },
    "kinesis": {"put_records": "PutRecords"},
}
_EXAMPLES: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {  # a valid call each
    "dynamodb": ("put_item", {"TableName": "any", "Item": {}}),
    "kinesis": ("put_records", {"StreamName": "any", "Records": [{"Data": b"", "PartitionKey": "any"}]}),
}
_OK: Final = 200
_NOTHING: Final = b"{}"  # what most writes are answered with
Several = tuple[int, Document | Exception]  # which call's, and its answer, or an error as the call raises it
# What AWS answers when a request was signed too far from its own time, sometimes; then the Date of its answer decides.
_PERHAPS_SKEWED: Final = frozenset(
    {
        "AuthFailure",
        "InvalidSignatureException",
        "RequestExpired",
        "RequestInTheFuture",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)


class LeanClient:
    """Stands where a low-level client of boto3 stood. For use by several threads. See the module.

    `ca_bundle` is the file that settings and environment name, None for none. What is not a call of its own (other
    calls, `meta`, `exceptions`, `close`) is the boto3 client's.
    """

    def __init__(
        self,
        boto: Any,  # noqa: ANN401 - botocore makes its clients at run time
        service: str,
        credentials: Credentials | None,
        ca_bundle: str | None,
    ) -> None:
        self.hooks: Final = Hooks()
        self._boto = boto
        self._credentials = credentials
        self._ca_bundle = ca_bundle
        self._service = service
        self._target = f"{boto.meta.service_model.metadata['targetPrefix']}."
        self._has_checksums = service == "dynamodb"
        self._sender: tuple[object, Sender | None] | None = None
        self._lock = threading.Lock()
        retries = boto.meta.config.retries
        self._retries = Retries(retries["total_max_attempts"], _retryable(boto.meta.service_model))
        for name, operation in CALLS[service].items():
            setattr(self, name, partial(self._call, name, operation))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever boto3's client has
        return getattr(self._boto, name)

    def several(self, calls: Sequence[tuple[str, bytes]], width: int) -> Generator[Several]:
        """Make these calls (the name, and the body that `encode` gives), `width` at once, and tell of each as it ends.

        Nothing is tried again. What is not told of was not sent: where only boto3 knows the way, that is all.
        """
        operations = CALLS[self._service]
        sender = self._sender_for(getattr(self._frozen(), "account_id", None))
        if sender is None:
            return
        requests = ((self._target + operations[name], body) for name, body in calls)
        with closing(Window(sender, self._frozen, width).answers(requests)) as answers:
            for number, answer in answers:
                yield number, self._told(answer, operations[calls[number][0]])

    def close(self) -> None:
        """End all connections."""
        if self._sender and self._sender[1]:
            self._sender[1].close()
        self._boto.close()

    def _frozen(self) -> Any:  # noqa: ANN401 - botocore's
        """The credentials of this moment."""
        if self._credentials is None:
            raise NoCredentialsError
        return self._credentials.get_frozen_credentials()

    def _call(self, name: str, operation: str, /, **request: Any) -> Document:  # noqa: ANN401 - as boto3's calls
        body = encode(request)
        attempt, cost = 1, 0
        while True:
            credentials = self._frozen()
            sender = self._sender_for(getattr(credentials, "account_id", None))
            if sender is None:
                return getattr(self._boto, name)(**request)  # type: ignore[no-any-return]
            try:
                answer = self._answer(sender, operation, body, credentials)
            except (BotoCoreError, ClientError) as error:
                cost = self._retries.cost(attempt, error)
                if not cost:
                    raise
                time.sleep(self._retries.pause_seconds(attempt))
                attempt += 1
            else:
                self._retries.succeeded(cost)
                return answer

    def _answer(self, sender: Sender, operation: str, body: bytes, credentials: Any) -> Document:  # noqa: ANN401
        """What one attempt gives, or one more where only our clock was wrong."""
        answer, signed_at = sender.send(self._target + operation, body, credentials)
        if answer.status != _OK:
            error = self._error(answer, operation)
            if error.response["Error"]["Code"] not in _PERHAPS_SKEWED or not sender.corrected(answer, signed_at):
                raise error
            answer, _ = sender.send(self._target + operation, body, credentials)
            if answer.status != _OK:
                raise self._error(answer, operation)
        return self._document(answer)

    def _told(self, answer: Answer | BotoCoreError, operation: str) -> Document | Exception:
        if isinstance(answer, BotoCoreError):
            return answer
        if answer.status != _OK:
            return self._error(answer, operation)
        try:
            document = self._document(answer)
        except (BotoCoreError, ResponseParserError) as error:
            return error
        self._retries.succeeded(0)
        return document

    def _document(self, answer: Answer) -> Document:
        if self._has_checksums:
            _check(answer)
        return {} if answer.body == _NOTHING else decode(answer.body)

    def _error(self, answer: Answer, operation: str) -> ClientError:
        told = decode_error(answer.status, answer.body)
        told["ResponseMetadata"] = {
            "RequestId": answer.headers.get("x-amzn-requestid", ""),
            "HTTPStatusCode": answer.status,
            "HTTPHeaders": answer.headers,
        }
        kind: type[ClientError] = self._boto.exceptions.from_code(told["Error"]["Code"])
        return kind(told, operation)  # type: ignore[arg-type]

    def _sender_for(self, account: object) -> Sender | None:
        """The way there, which may depend on the account. None: it is one that only boto3 can go."""
        if not self._knows_way(account):
            with self._lock:
                if not self._knows_way(account):
                    self._sender = (account, self._make_sender())
        return self._sender[1] if self._sender else None

    def _knows_way(self, account: object) -> bool:
        """Once it is boto3's it stays so: boto3's calls may be under way."""
        return self._sender is not None and (self._sender[0] == account or self._sender[1] is None)

    def _make_sender(self) -> Sender | None:
        prepared = self._prepared()
        config, proxies = self._boto.meta.config, self._boto.meta.config.proxies
        route = route_to(prepared.url, get_environ_proxies(prepared.url) if proxies is None else proxies)
        if route is None or prepared.version != "v4":
            return None
        bundle = self._ca_bundle or os.environ.get("REQUESTS_CA_BUNDLE") or str(get_cert_path(True))
        kind = prepared.headers["Content-Type"]
        way = Way(
            route,
            Signer(prepared.service, prepared.region, route.authority, route.path, kind),
            trusting(bundle) if route.tls else None,
            Timeouts(config.connect_timeout, config.read_timeout),
            f"User-Agent: {prepared.headers['User-Agent']}\r\nAccept-Encoding: identity\r\nContent-Type: {kind}\r\n",
            config.max_pool_connections,
        )
        return Sender(way, self.hooks)

    def _prepared(self) -> "_Prepared":
        """A request as boto3's client prepares it, which does not leave."""
        name, arguments = _EXAMPLES[self._service]
        event = f"before-sign.{self._service}.{CALLS[self._service][name]}"
        self._boto.meta.events.register_first(event, _stop)
        try:
            getattr(self._boto, name)(**arguments)
        except _Prepared as prepared:
            return prepared
        finally:
            self._boto.meta.events.unregister(event, _stop)
        raise AssertionError("botocore signs without before-sign")


class _Prepared(Exception):
    """A request on its way, thrown out of botocore."""

    def __init__(self, request: Any, service: str, region: str, version: str) -> None:  # noqa: ANN401
        super().__init__()
        self.url = str(request.url)
        self.headers: Mapping[str, str] = {
            name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()
        }
        signing = request.context.get("signing", {})
        self.service = str(signing.get("signing_name") or service)
        self.region = str(signing.get("region") or region)
        self.version = version


def _stop(request: Any, signing_name: str, region_name: str, signature_version: str, **_event: Any) -> None:  # noqa: ANN401
    raise _Prepared(request, signing_name, region_name, signature_version)


def _retryable(service_model: Any) -> frozenset[str]:  # noqa: ANN401
    """The codes of errors that the service's model calls retryable."""
    shapes = (shape for shape in service_model.error_shapes if shape.metadata.get("retryable"))
    return frozenset(str(shape.metadata.get("error", {}).get("code") or shape.name) for shape in shapes)


def _check(answer: Answer) -> None:
    told = answer.headers.get("x-amz-crc32")
    if told is not None and told != (actual := str(zlib.crc32(answer.body))):
        raise ChecksumError(checksum_type="crc32", expected_checksum=told, actual_checksum=actual)
