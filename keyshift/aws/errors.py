"""What AWS's errors mean: sorted by what can be done about them, and told to the person who has to do it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ChecksumError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    ResponseStreamingError,
    SSLError,
)
from botocore.exceptions import ConnectionError as ConnectionFailed
from botocore.parsers import ResponseParserError

from keymap.errors import KeyshiftError
from keyshift.process.crash import Unforeseen

# Conflicts with a transaction or another region's write are among them: a moment later the same call succeeds.
THROTTLES = frozenset(
    {
        "KMSThrottlingException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "ReplicatedWriteConflictException",
        "RequestLimitExceeded",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionConflictException",
    }
)
_TRANSIENT_CODES = frozenset(
    {"InternalError", "InternalFailure", "InternalServerError", "RequestTimeout", "ServiceUnavailable"}
)
_TRANSIENT_STATUS = frozenset({500, 502, 503, 504})
_LOST_OR_GARBLED = (
    ConnectionFailed,
    HTTPClientError,
    IncompleteReadError,
    ChecksumError,
    ResponseStreamingError,
    ResponseParserError,
)


def error_code(error: BaseException) -> str:
    """The service's code of a ClientError, "" for any other exception."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return ""


def is_throttle(error: BaseException) -> bool:
    """Whether the service asked to slow down: nothing was done, and the same call will succeed later."""
    return error_code(error) in THROTTLES


def is_transient(error: BaseException) -> bool:
    """Whether the same call may soon succeed, and *may have been done*: a lost or cut answer, a server's fault."""
    if isinstance(error, SSLError):
        return "CERTIFICATE_VERIFY_FAILED" not in str(error)
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return error_code(error) in _TRANSIENT_CODES or status in _TRANSIENT_STATUS
    return isinstance(error, _LOST_OR_GARBLED)


def explain(error: BaseException, doing: str) -> KeyshiftError:
    """An error of AWS in the words of its reader: `doing` says what we were about ("creating stream x").

    Without the values that it quotes: logs hold it.
    """
    if isinstance(error, KeyshiftError):
        return error
    code = error_code(error)
    if isinstance(error, ClientError):
        text = str(error.response.get("Error", {}).get("Message") or "no message")
        text = unquoted(text) if code == "ValidationException" else text
        return KeyshiftError(f"{doing} failed: {code}: {text.rstrip('.')}", _remedy_for_code(code))
    return KeyshiftError(f"{doing} failed: {str(error).rstrip('.')}", _remedy_for_error(error))


def unquoted(message: str) -> str:
    """A message of DynamoDB without the values that it quotes from the request: they are somebody's data."""
    return _QUOTED.sub("(…)", message)


def loggable(error: BaseException) -> KeyshiftError:
    """An error as a log may hold it: ours as it is, AWS's explained, of any other its type and place."""
    if isinstance(error, KeyshiftError):
        return error
    if not isinstance(error, ClientError | BotoCoreError):
        return Unforeseen(error)
    operation = f" ({error.operation_name})" if isinstance(error, ClientError) else ""
    return explain(error, f"a call to AWS{operation}")


@contextmanager
def explaining(doing: str) -> Iterator[None]:
    """Raise the errors of AWS within as KeyshiftErrors that say what we were about."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise explain(error, doing) from error


# such as: cannot be converted to a numeric value: 1x; these are not distinct: [a, b, a]
_QUOTED = re.compile(r"(?<!pattern: )\[.*\]|(?<=value: ).*", re.DOTALL)
_CREDENTIALS = "Check the credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or the role)"
_REMEDIES = {
    "AccessDenied": "Allow the action on this resource to the identity in use (its IAM policy)",
    "ExpiredToken": "Log in again: the session's token has expired",
    "IncompleteSignature": _CREDENTIALS,
    "InvalidAccessKeyId": _CREDENTIALS,
    "InvalidClientTokenId": _CREDENTIALS,
    "InvalidSignature": f"{_CREDENTIALS} and this host's clock",
    "MissingAuthenticationToken": _CREDENTIALS,
    "NoSuchBucket": "Run `keyshift init`, or correct bucket.name",
    "RequestExpired": "Set this host's clock",
    "RequestTimeTooSkewed": "Set this host's clock",
    "ResourceInUse": "It is being made, changed or deleted: wait, or run `keyshift init` where it is gone",
    "ResourceNotFound": "Run `keyshift init`, or correct the name, the region or the endpoint in the settings",
    "SignatureDoesNotMatch": f"{_CREDENTIALS} and this host's clock",
    "UnrecognizedClient": _CREDENTIALS,
}


def _remedy_for_code(code: str) -> str:
    if code in THROTTLES:
        return "The service is throttling: try again, or raise its limits"
    return _REMEDIES.get(code.removesuffix("Exception"), "")


_REMEDIES_BY_KIND: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    ((NoCredentialsError, PartialCredentialsError), _CREDENTIALS),
    (ProfileNotFound, "Correct AWS_PROFILE, or add the profile to ~/.aws/config"),
    (NoRegionError, "Set aws.region in the settings, or AWS_DEFAULT_REGION"),
    (SSLError, "Check the endpoint's certificate; AWS_CA_BUNDLE names a file of CA certificates to trust"),
    (
        (EndpointConnectionError, ConnectTimeoutError),
        "Check the endpoint in aws.endpoints, the region, and the network route (proxy, VPC endpoint)",
    ),
    (
        (ConnectionFailed, HTTPClientError),
        "The connection was lost: try again; if it stays so, check the network route and the endpoint",
    ),
    (ValueError, "Correct the URL in aws.endpoints"),
)


def _remedy_for_error(error: BaseException) -> str:
    return next((remedy for kinds, remedy in _REMEDIES_BY_KIND if isinstance(error, kinds)), "")
