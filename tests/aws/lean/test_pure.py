"""What the lean client decides without a socket is what botocore decides: signatures, bodies, errors, retries."""

import json
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import (
    ChecksumError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError, create_parser
from botocore.retries import quota, standard
from botocore.serialize import create_serializer
from hypothesis import given
from hypothesis import strategies as st

from keyshift.aws.lean import retries
from keyshift.aws.lean.body import decode, decode_error, encode, encode_item
from keyshift.aws.lean.retries import Retries
from keyshift.aws.lean.route import route_to
from keyshift.aws.lean.signature import Signer

URL = "http://127.0.0.1:1"
MODEL: Any = boto3.client("dynamodb", region_name="us-east-1").meta.service_model
keys = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)


@given(
    st.tuples(keys, keys, st.none() | keys),
    st.sampled_from(["/", "/a b/../ü", "//x/", "/dynamo"]),
    st.binary(max_size=50),
    st.integers(0, 2**32),
)
def test_a_signature_is_botocores_to_the_byte(
    credentials: tuple[str, str, str | None], path: str, body: bytes, at: int
) -> None:
    token = credentials[2]
    frozen = Credentials(*credentials).get_frozen_credentials()
    signer = Signer("dynamodb", "eu-central-1", "127.0.0.1:8000", path, "application/x-amz-json-1.0")
    ours = signer.headers(frozen, "DynamoDB_20120810.PutItem", body, at)
    assert signer.headers(frozen, "DynamoDB_20120810.PutItem", body, at) == ours  # with the key that is kept
    lines = dict(line.split(": ", 1) for line in ours.splitlines())
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.PutItem"}
    request = AWSRequest("POST", f"http://127.0.0.1:8000{path}", headers, body)
    request.context["timestamp"] = request.headers["X-Amz-Date"] = lines["X-Amz-Date"]
    if token:
        request.headers["X-Amz-Security-Token"] = token
    theirs: Any = SigV4Auth(frozen, "dynamodb", "eu-central-1")
    signature = theirs.signature(theirs.string_to_sign(request, theirs.canonical_request(request)), request)
    theirs._inject_signature_to_request(request, signature)
    assert lines["Authorization"] == request.headers["Authorization"]


def test_the_day_the_secret_and_the_moment_are_all_signed() -> None:
    signer = Signer("kinesis", "us-east-1", "h", "/", "t")
    one, other = (Credentials("A", secret).get_frozen_credentials() for secret in ("s", "t"))
    made = {signer.headers(who, "T", b"", at) for who in (one, other, one) for at in (0, 1, 86_400)}
    assert len(made) == 6


values = st.recursive(
    st.text().map(lambda text: {"S": text})
    | st.integers().map(lambda number: {"N": str(number)})
    | st.binary().map(lambda data: {"B": data})
    | st.lists(st.binary(), min_size=1, max_size=3).map(lambda many: {"BS": many})
    | st.booleans().map(lambda flag: {"BOOL": flag})
    | st.just({"NULL": True}),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda many: {"L": many})
        | st.dictionaries(st.sampled_from(["B", "BS", "S", "x"]), inner, max_size=3).map(lambda held: {"M": held})
    ),
    max_leaves=8,
)
items = st.dictionaries(st.sampled_from(["pk", "B", "BS", "ü"]), values, max_size=3)


@given(items)
def test_a_body_says_what_botocores_says(item: dict[str, Any]) -> None:
    request = {"RequestItems": {"t": [{"PutRequest": {"Item": item}}]}}
    theirs = create_serializer("json", False).serialize_to_request(request, MODEL.operation_model("BatchWriteItem"))
    assert json.loads(encode(request)) == json.loads(theirs["body"])


@given(items)
def test_an_item_encoded_ahead_is_the_same_to_both_clients_and_to_whoever_reads_it(item: dict[str, Any]) -> None:
    ahead = encode_item(item)
    assert ahead is not None
    assert ahead == item
    assert (len(ahead), set(ahead), {name: ahead[name] for name in item}) == (len(item), set(item), item)
    request, same = ({"RequestItems": {"t": [{"PutRequest": {"Item": one}}]}} for one in (item, ahead))
    assert encode(same) == encode(request)
    operation, serializer = MODEL.operation_model("BatchWriteItem"), create_serializer("json", False)
    theirs, ours = (serializer.serialize_to_request(one, operation)["body"] for one in (request, same))
    assert theirs == ours


@given(items)
def test_an_answer_is_read_as_botocore_reads_it(item: dict[str, Any]) -> None:
    answers: dict[str, dict[str, Any]] = {
        "GetItem": {"Item": item},
        "UpdateItem": {"Attributes": item},
        "Scan": {"Items": [item, item], "Count": 2, "LastEvaluatedKey": item},
        "BatchWriteItem": {
            "UnprocessedItems": {"t": [{"PutRequest": {"Item": item}}, {"DeleteRequest": {"Key": item}}]}
        },
        "BatchGetItem": {
            "Responses": {"t": [item]},
            "UnprocessedKeys": {"t": {"Keys": [item], "ConsistentRead": True}},
        },
    }
    for operation, answer in answers.items():
        body = encode(answer)
        parsed = create_parser("json").parse(_response(200, body), MODEL.operation_model(operation).output_shape)
        parsed.pop("ResponseMetadata")
        assert decode(body) == parsed == answer


def test_an_empty_answer_is_an_empty_document() -> None:
    assert decode(b"") == {}


@pytest.mark.parametrize("body", [b"{", b"<html>", b"[1]", b'"B"', b"\xff"])
def test_what_is_no_document_is_an_error_that_is_tried_again(body: bytes) -> None:
    with pytest.raises(ResponseParserError) as caught:
        decode(body)
    assert Retries(3).cost(1, caught.value) > 0


def test_half_a_surrogate_pair_goes_out_escaped() -> None:
    """It cannot be encoded ahead, and what was goes beside it."""
    assert encode({"S": "\ud800", "B": b"\x00"}) == rb'{"S": "\ud800", "B": "AA=="}'
    assert encode_item({"a": {"S": "\ud800"}}) is None
    ahead = encode_item({"a": {"B": b"\x00"}})
    assert encode({"S": "\ud800", "T": ahead}) == rb'{"S": "\ud800", "T": {"a": {"B": "AA=="}}}'


def test_what_has_no_wire_form_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError):
        encode({"S": object()})


def _response(status: int, body: bytes) -> dict[str, Any]:
    return {"status_code": status, "headers": {}, "body": body, "context": {"operation_name": "x"}}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b'{"__type":"com.amazonaws.dynamodb.v20120810#ValidationException","message":"no"}'),
        (400, b'{"__type":"ResourceNotFoundException","Message":"none"}'),
        (400, b'{"__type":"ThrottlingException:http://x/y","message":"slowly"}'),
        (400, b'{"__type":"x#ConditionalCheckFailedException","message":"no","Item":{"a":{"B":"AP8="}}}'),
        (400, b'{"message":"no type"}'),
        (500, b"{}"),
        (503, b""),
    ],
)
def test_an_error_is_read_as_botocore_reads_it(status: int, body: bytes) -> None:
    ours, parser, response = decode_error(status, body), create_parser("json"), _response(status, body)
    theirs = parser.parse(response, MODEL.operation_model("PutItem").output_shape)
    if shape := MODEL.shape_for_error_code(theirs["Error"]["Code"]):
        theirs.update(parser.parse(response, shape))
    assert ours["Error"]["Code"] == theirs["Error"]["Code"]
    assert ours["Error"]["Message"] == theirs["Error"]["Message"] or not theirs["Error"]["Message"]
    assert ours.get("Item") == theirs.get("Item")


def test_an_error_page_is_not_repeated() -> None:
    told = decode_error(503, b"<html>secret</html>")
    assert told == {"Error": {"Code": "503", "Message": "Service Unavailable"}}


def test_the_lists_of_what_is_tried_again_are_botocores() -> None:
    assert sorted(standard.ThrottledRetryableChecker._THROTTLED_ERROR_CODES) == sorted(retries.THROTTLES)
    assert sorted(standard.TransientRetryableChecker._TRANSIENT_ERROR_CODES) == sorted(retries.TRANSIENT_CODES)
    assert sorted(standard.TransientRetryableChecker._TRANSIENT_STATUS_CODES) == sorted(retries.TRANSIENT_STATUS)
    assert set(standard.TransientRetryableChecker._TRANSIENT_EXCEPTION_CLS) <= set(retries.TRANSIENT)
    checker = standard.RetryQuotaChecker
    costs = (checker._RETRY_COST, checker._TIMEOUT_RETRY_REQUEST, checker._NO_RETRY_INCREMENT)
    assert costs == (retries.COST, retries.COST_OF_TIMEOUT, retries.REFUND)
    assert quota.RetryQuota().available_capacity == retries.QUOTA
    assert standard.ExponentialBackoff._MAX_BACKOFF == retries.PAUSE_SECONDS_MAX


def _error(code: str, status: int = 400) -> ClientError:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "PutItem")


@pytest.mark.parametrize(
    ("error", "helps"),
    [
        (_error("ThrottlingException"), True),
        (_error("Anything", 503), True),
        (_error("ReplicatedWriteConflictException"), True),
        (EndpointConnectionError(endpoint_url=URL), True),
        (ConnectionClosedError(endpoint_url=URL), True),
        (ChecksumError(checksum_type="crc32", expected_checksum="1", actual_checksum="2"), True),
        (_error("ValidationException"), False),
        (_error("ExpiredTokenException"), False),
        (_error("ConditionalCheckFailedException"), False),
        (NoCredentialsError(), False),
    ],
)
def test_what_may_pass_is_tried_again_and_nothing_else(error: Any, helps: bool) -> None:
    assert bool(Retries(3, frozenset({"ReplicatedWriteConflictException"})).cost(1, error)) is helps


def test_the_tries_of_a_call_are_counted() -> None:
    rule = Retries(3)
    assert [bool(rule.cost(attempt, _error("SlowDown"))) for attempt in (1, 2, 3, 4)] == [True, True, False, False]


def test_pauses_grow_and_are_jittered_and_bounded() -> None:
    assert [Retries(99, draw=lambda: 1.0).pause_seconds(attempt) for attempt in (1, 2, 3, 5, 6, 60)] == [
        1, 2, 4, 16, 20, 20,
    ]  # fmt: skip
    assert Retries(9, draw=lambda: 0.25).pause_seconds(3) == 1.0


def test_many_failures_use_up_the_tries_and_successes_earn_them_back() -> None:
    rule, timeout, failure = Retries(3), ConnectTimeoutError(endpoint_url=URL), _error("SlowDown")
    assert [rule.cost(1, timeout) for _ in range(50)] == [10] * 50
    assert rule.cost(1, failure) == 0
    rule.succeeded(10)
    assert [rule.cost(1, ReadTimeoutError(endpoint_url=URL)), rule.cost(1, failure)] == [10, 0]
    for _ in range(5):
        rule.succeeded(0)
    assert [rule.cost(1, failure), rule.cost(1, failure)] == [5, 0]


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("https://dynamodb.us-east-1.amazonaws.com", "dynamodb.us-east-1.amazonaws.com", "/"),
        ("https://d.example:443/", "d.example", "/"),
        ("http://127.0.0.1:8000/x", "127.0.0.1:8000", "/x"),
        ("http://[::1]:8000", "[::1]:8000", "/"),
        ("http://[::1]", "[::1]", "/"),
    ],
)
def test_the_host_that_is_named_is_the_one_that_botocore_signs(url: str, authority: str, path: str) -> None:
    route = route_to(url, {})
    assert route
    signer: Any = SigV4Auth(Credentials("a", "b"), "s", "r")
    assert route.authority == authority == signer.headers_to_sign(AWSRequest("POST", url))["host"]
    assert route.head == f"POST {path} HTTP/1.1\r\nHost: {authority}\r\n"


def test_a_proxy_is_told_the_whole_url_of_what_is_plain_and_who_we_are() -> None:
    route = route_to("http://d.example/", {"http": "http://me:p%40ss@p.example:3128"})
    assert route
    assert route.proxy
    assert (route.proxy.host, route.proxy.port) == ("p.example", 3128)
    assert "p%40ss" not in route.proxy.url
    assert route.head.splitlines() == [
        "POST http://d.example/ HTTP/1.1",
        "Host: d.example",
        "Proxy-Authorization: Basic bWU6cEBzcw==",
    ]


def test_through_a_tunnel_the_request_is_as_without_a_proxy() -> None:
    for proxy in ("http://me:pw@p.example", "p.example", "//p.example"):
        route = route_to("https://d.example/", {"https": proxy, "http": "http://other"})
        assert route
        assert route.proxy
        assert (route.proxy.host, route.proxy.port) == ("p.example", 80)
        assert route.head == "POST / HTTP/1.1\r\nHost: d.example\r\n"


def test_a_proxy_that_wants_tls_is_left_to_boto3() -> None:
    assert route_to("https://d.example/", {"https": "https://p.example"}) is None
