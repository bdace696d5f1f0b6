"""Settings come from one file and the environment; every mistake is shown at once, at its place."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from keymap.errors import KeyshiftError, Problem, Problems
from keyshift.process.sections import Section
from keyshift.process.settings import Settings, load_settings
from keyshift.process.settings_file import settings_of

LEAST = """\
migration: shop
keymap: keymap.yaml
source:
  host: db.example
  user: keyshift
  password: s3cret-word
bucket:
  name: shop-dump
"""


def _load(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> Settings:
    path = tmp_path / "keyshift.yaml"
    path.write_text(text)
    return load_settings(path, environment or {})


def _problems(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> dict[str, str]:
    with pytest.raises(Problems) as caught:
        _load(tmp_path, text, environment)
    assert all(isinstance(problem, Problem) and problem.remedy for problem in caught.value.problems)
    return {problem.where: problem.what for problem in caught.value.problems}


def test_the_least_file_gives_every_default(tmp_path: Path) -> None:
    settings = _load(tmp_path, LEAST)
    assert settings.keymap == tmp_path / "keymap.yaml"
    assert settings.stream.name == "keyshift-shop"
    assert settings.lanes == 64
    assert settings.source.password.get_secret_value() == "s3cret-word"
    assert settings.source.tls.mode == "verify"
    assert settings.aws.endpoints.urls == {}


def test_all_mistakes_are_reported_at_once_each_with_its_line(tmp_path: Path) -> None:
    text = """\
migration: Shop_1
lanes: 0
source:
  hots: db.example
  port: none
  user: keyshift
  tls:
    mode: sometimes
bucket:
  name: A
stream:
  retention_hours: 12
"""
    found = _problems(tmp_path, text)
    lines = {f"keyshift.yaml:{line}" for line in (1, 2, 3, 4, 5, 8, 10, 12)}
    assert found.keys() == {"keyshift.yaml", *lines}  # the keymap is missing as a whole
    assert "no setting source.hots" in found["keyshift.yaml:4"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("lanes: many", "lanes: a whole number is expected"),
        ("lanes: [1]", "lanes: a whole number is expected, not a list"),
        ("stream: [a]", "stream: a map (name: value) is expected, not a list"),
        ("stream: {name: a b}", "stream.name: a name of up to 128 of a-zA-Z0-9_.- is expected"),
        ("stream: {retention_hours: 1}", "stream.retention_hours: at least 24 is expected"),
        ("stream: {on_demand: maybe}", "stream.on_demand: true or false is expected"),
        ("bulkload: {engine: x}", "bulkload.engine: local, spark or import is expected"),
        (
            "bulkload: {throttle: {replicas: [5]}}",
            "bulkload.throttle.replicas.0: text is expected, not a number: put it",
        ),
        ("capacity: {app: 5}", "capacity.app: a map (name: value) is expected, not a number"),
        ("accept: {fk_cascade: [a]}", "accept.fk_cascade: a map (name: value) is expected, not a list"),
        ("lanes: !!timestamp x", "lanes is not a plain value"),
    ],
)
def test_what_is_expected_is_said_in_words(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(Problems) as caught:
        _load(tmp_path, f"{LEAST}{text}\n")
    assert caught.value.problems[0].what.startswith(what)
    assert all("put" not in problem.what.replace("put it in quotes", "") for problem in caught.value.problems)


def test_an_unknown_setting_names_the_one_that_was_meant(tmp_path: Path) -> None:
    with pytest.raises(Problems, match="Did you mean retention_hours"):
        _load(tmp_path, LEAST + "stream:\n  retention_hour: 48\n")


def test_a_setting_given_twice_is_a_mistake(tmp_path: Path) -> None:
    assert "given twice" in _problems(tmp_path, LEAST + "migration: other\n")["keyshift.yaml:9"]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a: [", "keyshift.yaml:1"),
        ("a: b: c", "keyshift.yaml:1"),
        ("- a\n- b", "keyshift.yaml:1"),
        ("a: \x01", "keyshift.yaml:1"),
    ],
)
def test_what_is_no_yaml_mapping_is_one_problem(tmp_path: Path, text: str, where: str) -> None:
    assert list(_problems(tmp_path, text)) == [where]


def test_an_empty_file_lacks_every_required_setting(tmp_path: Path) -> None:
    with pytest.raises(Problems) as caught:
        _load(tmp_path, "")
    assert {problem.what for problem in caught.value.problems} == {
        "migration is missing", "keymap is missing", "source is missing", "bucket is missing",
    }  # fmt: skip


def test_a_file_that_is_not_there_is_one_problem(tmp_path: Path) -> None:
    with pytest.raises(Problems, match="--config"):
        load_settings(tmp_path / "none.yaml", {})


def test_a_section_without_settings_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    assert _load(tmp_path, LEAST + "aws:\nstream:\ncapture: {}\n") == _load(tmp_path, LEAST)


def test_off_is_a_word_as_its_writer_means_it(tmp_path: Path) -> None:
    settings = _load(tmp_path, LEAST.replace("  user", "  tls: {mode: off}\n  user"))
    assert settings.source.tls.mode == "off"


@pytest.mark.parametrize("value", ["true", "yes", "'8 MB'", "[1]", "1.5"])
def test_a_number_must_be_a_number(tmp_path: Path, value: str) -> None:
    assert list(_problems(tmp_path, LEAST + f"lanes: {value}\n")) == ["keyshift.yaml:9"]


@pytest.mark.parametrize("value", [".inf", ".nan", "1e308", "31536001"])
def test_an_amount_is_a_number_that_timers_take(tmp_path: Path, value: str) -> None:
    (problem,) = _problems(tmp_path, LEAST + f"capture: {{lease_seconds: {value}}}\n").values()
    assert "capture.lease_seconds" in str(problem)


def test_the_environment_overrides_the_file_for_every_single_setting(tmp_path: Path) -> None:
    settings = _load(
        tmp_path,
        LEAST,
        {
            "KEYSHIFT_MIGRATION": "other",
            "KEYSHIFT_SOURCE__PORT": "3307",
            "KEYSHIFT_SOURCE__TLS__MODE": "off",
            "KEYSHIFT_AWS__ENDPOINTS__DYNAMODB": "http://127.0.0.1:8000",
            "KEYSHIFT_STREAM__ON_DEMAND": "true",
            "KEYSHIFT_CAPTURE__HEARTBEAT_SECONDS": "0.25",
        },
    )
    assert (settings.migration, settings.source.port, settings.source.tls.mode) == ("other", 3307, "off")
    assert settings.aws.endpoints.urls == {"dynamodb": "http://127.0.0.1:8000"}
    assert (settings.stream.on_demand, settings.capture.heartbeat_seconds) == (True, 0.25)
    assert settings.stream.name == "keyshift-other"


def test_a_mistake_in_a_variable_names_the_variable(tmp_path: Path) -> None:
    environment = {"KEYSHIFT_SOURCE__PORT": "x", "KEYSHIFT_SOURCE__PROT": "1", "KEYSHIFT_TEST_SERVERS": "ignored"}
    found = _problems(tmp_path, LEAST, environment)
    assert found.keys() == {
        "environment variable KEYSHIFT_SOURCE__PORT",
        "environment variable KEYSHIFT_SOURCE__PROT",
    }


def test_relative_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    (tmp_path / "secret").write_text("from file\n")
    text = LEAST.replace("password: s3cret-word", "password_file: secret\n  tls: {ca: ca.pem}")
    settings = _load(tmp_path, text)
    assert settings.source.password.get_secret_value() == "from file"
    assert settings.source.tls.ca == tmp_path / "ca.pem"


def test_the_password_may_stand_in_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = LEAST.replace("password: s3cret-word", "password_env: SHOP_PASSWORD")
    assert "SHOP_PASSWORD is not set" in _problems(tmp_path, text)["keyshift.yaml:6"]
    monkeypatch.setenv("SHOP_PASSWORD", "from variable")
    assert _load(tmp_path, text).source.password.get_secret_value() == "from variable"


def test_a_rotated_password_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("old")
    source = _load(tmp_path, LEAST.replace("password: s3cret-word", "password_file: secret")).source
    (tmp_path / "secret").write_text("new")
    assert source.password.get_secret_value() == "old"
    assert source.fresh_password().get_secret_value() == "new"


@pytest.mark.parametrize(
    "given", ["", "password: a\n  password_env: B", "password: a\n  password_file: b", "password_file: missing"]
)
def test_there_must_be_exactly_one_password_and_it_must_be_readable(tmp_path: Path, given: str) -> None:
    with pytest.raises(Problems):
        _load(tmp_path, LEAST.replace("password: s3cret-word", given))


def test_a_password_problem_is_reported_beside_all_others(tmp_path: Path) -> None:
    found = _problems(tmp_path, LEAST.replace("password: s3cret-word", "port: x").replace("host:", "hots:"))
    assert {"keyshift.yaml:3", "keyshift.yaml:4", "keyshift.yaml:6"} <= found.keys()


@pytest.mark.parametrize("wrong", ["password: 12345678", "password: [s3cret-word]", "password: {s3cret-word: 1}"])
def test_no_secret_is_ever_shown(tmp_path: Path, wrong: str) -> None:
    settings = _load(tmp_path, LEAST)
    assert "s3cret-word" not in f"{settings} {settings!r} {settings.source!r}"
    with pytest.raises(Problems) as caught:
        _load(tmp_path, LEAST.replace("password: s3cret-word", wrong))
    shown = f"{caught.value} {caught.value!r} {caught.value.__cause__} {caught.value.__context__}"
    assert "12345678" not in shown
    if "{" not in wrong:  # a key is no secret
        assert "s3cret-word" not in shown


def test_settings_do_not_change(tmp_path: Path) -> None:
    settings = _load(tmp_path, LEAST)
    with pytest.raises(ValueError, match="frozen"):
        settings.lanes = 3


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
_NAMES = st.sampled_from([".".join(location) for location, _ in settings_of(Settings)] + ["source", "aws", "x.y", ""])


@given(st.dictionaries(_NAMES, _SCALARS | st.lists(_SCALARS, max_size=2), max_size=12))
def test_any_document_gives_settings_or_problems_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, chosen: dict[str, Any]
) -> None:
    document: dict[str, Any] = {}
    for name, value in chosen.items():
        section, _, rest = name.partition(".")
        inner = document.setdefault(section, {}) if rest else document
        if isinstance(inner, dict):
            inner[rest or section] = value
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True))
    try:
        assert isinstance(load_settings(path, {}), Settings)
    except Problems as problems:
        assert problems.problems  # noqa: PT017 - either outcome is right


@given(st.binary(max_size=200))
def test_any_bytes_give_settings_or_problems_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.yaml"
    path.write_bytes(content)
    with pytest.raises(Problems):
        load_settings(path, {})


def test_every_setting_is_in_the_manual_as_it_is_here() -> None:
    """docs/settings.md: | `name` | default | meaning |, one row for each setting, in order."""
    manual = Path(__file__).parents[2] / "docs" / "settings.md"
    rows = [line for line in manual.read_text().splitlines() if line.startswith("| `")]
    assert rows == [_row(location, info) for location, info in settings_of(Settings)]


def test_every_setting_says_what_it_is_and_every_limit_has_its_unit() -> None:
    units = ("_seconds", "_hours", "_bytes", "_rows", "_records", "_rounds", "_max", "port", "lanes", "shards")
    for location, info in settings_of(Settings):
        name = location[-1]
        assert info.description, location
        numeric = isinstance(info.default, int | float) and not isinstance(info.default, bool)
        assert not numeric or any(unit in name for unit in (*units, "concurrency")), location


def _row(location: tuple[str, ...], info: Any) -> str:
    default = "required" if info.is_required() else _shown(info.default)
    if location[:2] == ("bulkload", "source"):
        default = "as `source`"
    return f"| `{'.'.join(location)}` | {default} | {info.description} |"


def _shown(default: Any) -> str:
    if default is None or default == "" or not isinstance(default, bool | int | float | str):
        return "-"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def test_sections_refuse_what_they_do_not_know() -> None:
    assert Section.model_config["extra"] == "forbid"


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ("password_secret: shop/db#password", ""),
        ("password_parameter: /shop/db", ""),
        ("auth: iam", ""),
        ("auth: iam\n  password: x", "none may be given"),
        ("auth: iam\n  password_parameter: x", "none may be given"),
        ("auth: iam\n  tls: {mode: required}", "must be verified"),
        ("password_secret: x\n  password_parameter: y", "exactly one of"),
        ("password: x\n  password_secret: y", "exactly one of"),
        ("port: 3306", "exactly one of"),
    ],
)
def test_there_is_one_place_that_the_password_comes_from(tmp_path: Path, given: str, wrong: str) -> None:
    text = LEAST.replace("password: s3cret-word", given)
    if not wrong:
        assert _load(tmp_path, text).source.is_remote
        return
    with pytest.raises(Problems, match=wrong) as caught:
        _load(tmp_path, text)
    assert len(caught.value.problems) == 1


def test_a_password_of_aws_is_asked_for_at_each_connect_and_not_before(tmp_path: Path) -> None:
    asked: list[str | None] = []
    source = _load(tmp_path, LEAST.replace("password: s3cret-word", "password_secret: shop")).source
    with pytest.raises(KeyshiftError, match="nothing here can ask AWS"):
        source.fresh_password()
    wired = source.fetching(lambda settings: asked.append(settings.password_secret) or f"number {len(asked)}")
    assert asked == []
    assert [wired.fresh_password().get_secret_value() for _ in range(2)] == ["number 1", "number 2"]
    assert asked == ["shop", "shop"]


def test_what_the_server_of_the_rows_leaves_out_is_as_the_source_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = LEAST.replace("  user", "  tls: {mode: required, ca: a.pem}\n  port: 3307\n  user")
    settings = _load(tmp_path, text)
    assert (settings.rows, settings.rows_elsewhere) == (settings.source, False)
    settings = _load(tmp_path, text + "bulkload: {source: {host: replica, tls: {mode: verify}}}\n")
    rows, source = settings.rows, settings.source
    assert (rows.host, rows.port, rows.user, rows.password) == ("replica", 3307, source.user, source.password)
    assert (rows.tls.mode, rows.tls.ca, source.tls.mode) == ("verify", tmp_path / "a.pem", "required")
    assert settings.rows_elsewhere
    bare = settings.without_password()
    assert not bare.rows.password.get_secret_value() + bare.source.password.get_secret_value()
    monkeypatch.setenv("REPLICA", "other")
    own = _load(tmp_path, text, {"KEYSHIFT_BULKLOAD__SOURCE__PASSWORD_ENV": "REPLICA"})
    assert (own.rows.password.get_secret_value(), own.rows.host) == ("other", own.source.host)
    assert not own.rows_elsewhere
    token = _load(tmp_path, text + "bulkload: {source: {host: replica, auth: iam, tls: {mode: verify}}}\n")
    assert token.rows.is_remote
    assert not token.source.is_remote
    assert token.fetching(lambda where: f"for {where.host}").rows.fresh_password().get_secret_value() == "for replica"


def test_mistakes_in_the_server_of_the_rows_name_its_settings(tmp_path: Path) -> None:
    found = _problems(tmp_path, LEAST + "bulkload:\n  source:\n    prot: 1\n    password_env: NOT_SET_ANYWHERE\n")
    assert sorted(found) == ["keyshift.yaml:11", "keyshift.yaml:12"]
    assert "no setting bulkload.source.prot" in str(found["keyshift.yaml:11"])
    with pytest.raises(Problems, match=r"bulkload\.source\.auth: iam there is no password"):
        _load(tmp_path, LEAST + "bulkload: {source: {auth: iam, password: x}}\n")
