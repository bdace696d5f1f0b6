"""The door to AWS: errors are sorted by what can be done about them, and told to the person who has to do it."""

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
    SSLError,
)

from keymap.errors import KeyshiftError
from keyshift.aws.clients import (
    ClientError,
    Clients,
    error_code,
    explain,
    explaining,
    guard_sends,
    is_throttle,
    is_transient,
    make_clients,
)
from keyshift.cli.demo.endpoints import Endpoints
from tests.servers.fault_proxy import FaultProxy, Rule
from tests.servers.faults import server_error

URL = "http://127.0.0.1:1"


def _error(code: str, status: int = 400, message: str = "it is so") -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "PutItem")


@pytest.mark.parametrize(
    ("error", "throttle", "transient"),
    [
        (_error("ProvisionedThroughputExceededException"), True, False),
        (_error("ThrottlingException"), True, False),
        (_error("TransactionConflictException"), True, False),
        (_error("SlowDown", 503), True, True),
        (_error("InternalServerError", 500), False, True),
        (_error("SomethingNew", 502), False, True),
        (_error("ValidationException"), False, False),
        (_error("ConditionalCheckFailedException"), False, False),
        (_error("ResourceNotFoundException"), False, False),
        (EndpointConnectionError(endpoint_url=URL), False, True),
        (ConnectionClosedError(endpoint_url=URL), False, True),
        (ReadTimeoutError(endpoint_url=URL), False, True),
        (SSLError(endpoint_url=URL, error=OSError("UNEXPECTED_EOF_WHILE_READING")), False, True),
        (SSLError(endpoint_url=URL, error=OSError("CERTIFICATE_VERIFY_FAILED")), False, False),
        (NoCredentialsError(), False, False),
        (ValueError("anything else"), False, False),
    ],
)
def test_errors_are_sorted_by_whether_trying_again_helps(error: BaseException, throttle: bool, transient: bool) -> None:
    assert (is_throttle(error), is_transient(error)) == (throttle, transient)


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (_error("UnrecognizedClientException"), "credentials"),
        (_error("InvalidSignatureException"), "clock"),
        (_error("ExpiredTokenException"), "Log in again"),
        (_error("AccessDeniedException"), "Allow the action"),
        (_error("AccessDenied", 403), "Allow the action"),
        (_error("ResourceNotFoundException"), "keyshift init"),
        (_error("ThrottlingException"), "try again"),
        (NoCredentialsError(), "credentials"),
        (EndpointConnectionError(endpoint_url=URL), "aws.endpoints"),
        (SSLError(endpoint_url=URL, error=OSError("CERTIFICATE_VERIFY_FAILED")), "AWS_CA_BUNDLE"),
        (ReadTimeoutError(endpoint_url=URL), "network"),
    ],
)
def test_an_error_says_what_was_attempted_and_what_to_do(error: BaseException, remedy: str) -> None:
    told = explain(error, "creating table orders")
    assert told.message.startswith("creating table orders failed: ")
    assert remedy in told.remedy


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Input collection [Alice, Alice] contains duplicates.", "Input collection (…) contains duplicates"),
        ("cannot be converted to a numeric value: Alice", "cannot be converted to a numeric value: (…)"),
        (
            "1 validation error: must satisfy the pattern: [a-z]+",
            "1 validation error: must satisfy the pattern: [a-z]+",
        ),
    ],
)
def test_what_the_service_quotes_of_a_request_is_left_out(text: str, told: str) -> None:
    error = ClientError({"Error": {"Code": "ValidationException", "Message": text}}, "UpdateItem")
    assert explain(error, "it").message == f"it failed: ValidationException: {told}"


def test_an_error_that_is_told_already_stays_as_it_is() -> None:
    told = KeyshiftError("no", "do")
    assert explain(told, "anything") is told


def test_the_code_of_what_is_no_service_error_is_empty() -> None:
    assert error_code(_error("X")) == "X"
    assert error_code(ValueError()) == ""


def test_missing_credentials_are_a_clear_error(endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    clients = make_clients("us-east-1", endpoints.urls)
    with pytest.raises(KeyshiftError, match=r"listing failed: .*AWS_ACCESS_KEY_ID"), explaining("listing"):
        clients.dynamodb.list_tables()


def test_half_of_the_credentials_are_a_clear_error(endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(KeyshiftError, match="AWS_PROFILE"), explaining("listing"):
        make_clients("us-east-1", endpoints.urls).dynamodb.list_tables()


def test_an_unknown_profile_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(KeyshiftError, match="AWS_PROFILE"):
        make_clients("us-east-1")


def test_a_missing_region_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(KeyshiftError, match=r"aws\.region"):
        _ = make_clients().kinesis


def test_an_endpoint_that_is_no_url_is_a_clear_error() -> None:
    with pytest.raises(KeyshiftError, match=r"aws\.endpoints"):
        _ = make_clients("us-east-1", {"kinesis": "127.0.0.1:4566"}).kinesis


def test_an_unreachable_endpoint_is_a_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(KeyshiftError, match=r"aws\.endpoints"), explaining("listing"):
        make_clients("us-east-1", {"dynamodb": url}).dynamodb.list_tables()


def test_endpoints_may_come_from_botocores_own_variables(endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in endpoints.environment().items():
        monkeypatch.setenv(name, value)
    clients = make_clients()
    assert clients.dynamodb.meta.endpoint_url == endpoints.urls["dynamodb"]
    assert "TableNames" in clients.dynamodb.list_tables()
    assert clients.region == "us-east-1"


def test_a_client_is_made_once_however_many_threads_ask_first(clients: Clients) -> None:
    seen: list[object] = []
    threads = [threading.Thread(target=lambda: seen.append(clients.kinesis)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, seen))) == 1


def test_closed_clients_can_be_used_again(clients: Clients) -> None:
    clients.dynamodb.list_tables()
    clients.close()
    clients.close()
    assert "TableNames" in clients.dynamodb.list_tables()


class _LeaseLost(Exception):
    pass


def _after(count: int) -> Callable[[], None]:
    left = [count]

    def check() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise _LeaseLost

    return check


def test_a_guard_that_raises_stops_the_request_before_it_leaves(faulty: Clients, dynamodb_faults: FaultProxy) -> None:
    guard_sends(faulty.dynamodb, _after(2))
    faulty.dynamodb.list_tables()
    faulty.dynamodb.list_tables()
    with pytest.raises(_LeaseLost):
        faulty.dynamodb.list_tables()
    assert dynamodb_faults.calls["ListTables"] == 2


def test_a_guard_is_asked_before_each_try_that_botocore_makes_by_itself(
    faulty: Clients, dynamodb_faults: FaultProxy
) -> None:
    dynamodb_faults.rules = (Rule(server_error),)
    guard_sends(faulty.dynamodb, _after(1))
    with pytest.raises(_LeaseLost):
        faulty.dynamodb.list_tables()
    assert dynamodb_faults.calls["ListTables"] == 1
