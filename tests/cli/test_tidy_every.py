"""`keyshift apply tidy --every`: it goes on where a later pass may succeed, and ends where a person is needed."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from keymap.errors import KeyshiftError
from keyshift.apply.tidy import ReplayNotOpen
from keyshift.aws.clients import explain
from keyshift.aws.retry import RetriesExhausted
from keyshift.cli import apply
from keyshift.control.lease import LeaseLost
from keyshift.control.migration import show_digest
from keyshift.control.phase import KeymapChanged, Phase
from keyshift.process.stop import Stop
from tests.cli.conftest import Project
from tests.cli.steps import store_of


@pytest.mark.any_pair
def test_its_log_is_json_lines_and_what_no_pass_mends_ends_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert project.keyshift("init").code == 0
    slept: list[float] = []

    def sleep(_stop: Stop, seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            show_digest(store_of(project), "feed")

    monkeypatch.setattr(Stop, "sleep", sleep)
    answer = project.keyshift("apply", "tidy", "--every", "1d")
    assert (answer.code, answer.out, slept) == (2, "", [600, 600])
    first, second, *rest = answer.err.splitlines()
    assert [json.loads(line)["event"] for line in (first, second)] == ["not_tidied"] * 2
    assert "the phase is load" in json.loads(first)["reason"]
    assert rest[0].startswith("error: the migration has adopted keymap feed")


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Scan")


def explained(error: Exception) -> KeyshiftError:
    """As a part of a pass raises it."""
    try:
        raise explain(error, "reading table app") from error
    except KeyshiftError as told:
        return told


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (ReplayNotOpen(Phase.CLOSED), True),
        (LeaseLost("tidy", "a:1", "it was taken"), True),
        (RetriesExhausted("throttled"), True),
        (refusal("ThrottlingException"), True),
        (explained(refusal("InternalServerError")), True),
        (EndpointConnectionError(endpoint_url="http://nowhere"), True),
        (refusal("AccessDeniedException"), False),
        (explained(refusal("AccessDeniedException")), False),
        (explained(refusal("ResourceNotFoundException")), False),
        (KeymapChanged("feed"), False),
        (ValueError("a mistake"), False),
    ],
)
def test_it_goes_on_after_what_may_pass_only_and_sooner(
    monkeypatch: pytest.MonkeyPatch, error: Exception, passes: bool
) -> None:
    found: Any = None  # which is handed on only

    def one_pass(*_: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(apply, "one_pass", one_pass)
        if passes:
            assert (apply._passed(found, Stop(), 5.0), apply._passed(found, Stop(), 86_400.0)) == (5.0, 600.0)
        else:
            with pytest.raises(type(error)):
                apply._passed(found, Stop(), 5.0)
    monkeypatch.setattr(apply, "one_pass", lambda *_: None)
    assert apply._passed(found, Stop(), 86_400.0) == 86_400.0
