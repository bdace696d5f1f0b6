"""What is in deploy/ is checked by the tools that will read it, and names what exists."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from keymap.errors import KeyshiftError
from keyshift.aws.clients import ClientError, explain
from keyshift.cli import errors
from keyshift.cli.demo.packages import apt_install
from keyshift.cli.errors import EXIT_AGAIN, EXIT_INTERRUPTED, EXIT_REFUSED, exit_code
from keyshift.mysql.connection import Unreachable
from keyshift.process.settings import Settings
from keyshift.process.settings_file import settings_of
from tests.project.test_documents import command_of

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = ["keyshift-cdc@.service", "keyshift-apply@.service"]
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
VARIABLES = {"KEYSHIFT_" + "__".join(location).upper() for location, _ in settings_of(Settings)}


def values(text: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_understands_the_units(unit: str, tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        apt_install(["systemd"], why="the units are checked by systemd-analyze")
    text = (DEPLOY / unit).read_text().replace("/opt/keyshift/bin/keyshift", "/bin/true")  # it looks for the program
    name = unit.replace("@", "@shop")
    (tmp_path / name).write_text(text)
    (tmp_path / f"{name}.d").mkdir()
    shutil.copy(DEPLOY / "source-password.conf", tmp_path / f"{name}.d")
    argv = ["systemd-analyze", "verify", "--man=no", str(tmp_path / name)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if "keyshift" in line or str(tmp_path) in line]
    assert (done.returncode, ours) == (0, []), done.stderr


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_runs_a_command_that_exists_and_leaves_to_a_person_what_is_a_persons(unit: str) -> None:
    text = (DEPLOY / unit).read_text()
    (started,) = values(text, "ExecStart")
    group, command = started.split()[-2:]
    assert command_of([group, command])
    assert values(text, "RestartPreventExitStatus") == [str(EXIT_REFUSED)]
    assert values(text, "SuccessExitStatus") == [str(EXIT_INTERRUPTED)]
    assert values(text, "Restart") == ["on-failure"]
    assert values(text, "User") == ["keyshift"]


@pytest.mark.parametrize("file", sorted(DEPLOY.iterdir()), ids=lambda file: file.name)
def test_every_setting_that_is_named_exists(file: Path) -> None:
    assert set(re.findall(r"\bKEYSHIFT_[A-Z]+__[A-Z_]+", file.read_text())) <= VARIABLES


def test_exit_codes_are_documented_as_they_are() -> None:
    rows = re.findall(r"^\| (\d+) \|.*\| (yes|no) \|$", (DEPLOY / "README.md").read_text(), re.MULTILINE)
    known = {value for name, value in vars(errors).items() if name.startswith("EXIT_")} - {errors.EXIT_FOUND}
    assert {int(code) for code, _ in rows} == {0, *known}
    assert {int(code) for code, restart in rows if restart == "yes"} == {EXIT_AGAIN}


def test_what_passes_is_told_from_what_a_person_must_mend() -> None:
    def of_aws(code: str, status: int) -> KeyshiftError:
        answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
        cause = ClientError(answer, "GetItem")  # type: ignore[arg-type]
        explained = explain(cause, "reading")
        explained.__cause__ = cause
        return explained

    assert exit_code(Unreachable("no route", "check it")) == EXIT_AGAIN
    assert exit_code(of_aws("ThrottlingException", 400)) == EXIT_AGAIN
    assert exit_code(of_aws("ServiceUnavailable", 503)) == EXIT_AGAIN
    assert exit_code(of_aws("AccessDeniedException", 400)) == EXIT_REFUSED
    assert exit_code(KeyshiftError("a mistake", "mend it")) == EXIT_REFUSED


def test_an_error_of_aws_that_nobody_explained_tells_at_least_which_call_it_was() -> None:
    cause = ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "UpdateItem")
    assert errors.told(cause).message == "a call to AWS (UpdateItem) failed: ThrottlingException: slow down"


def test_the_dockerfile_has_no_finding() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([hadolint, DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_dockerfile_copies_what_there_is_and_what_its_ignore_file_lets_in() -> None:
    copied = [
        source for line in re.findall(r"^COPY (?!--)(.+)$", DOCKERFILE, re.MULTILINE) for source in line.split()[:-1]
    ]
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert sorted(line[1:] for line in ignored if line.startswith("!")) == sorted(copied)
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "bench"}
    assert packages <= set(copied), "every package of the project"


def test_the_last_stage_has_no_rights_and_no_tools() -> None:
    last = DOCKERFILE.split("\nFROM ")[-1]
    assert re.search(r"^USER 10001", last, re.MULTILINE)
    assert not re.search(r"apt-get|pip install|gcc", last)
    assert len(set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))) == 1, "one Python, or the environment breaks"


def test_the_services_of_compose_run_commands_that_exist() -> None:
    document = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    for service in document["services"].values():
        group, command = service["command"]
        assert command_of([group, command])
        assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).samefile(DEPLOY / "Dockerfile")
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert all(port.startswith("127.0.0.1:") and port.endswith(":9464") for port in service["ports"])
        assert set(service["secrets"]) <= set(document["secrets"])
