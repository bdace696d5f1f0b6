"""What was packed is tried by nothing but what it is for; where this machine is not, by an emulated Python.

The archive for the other architecture is then run as in test_function.py, once and without faults.
"""

import random
import shlex
import sys
import zipfile
from pathlib import Path

import pytest

from keymap.errors import KeyshiftError
from keymap.rules import parse_keymap
from keyshift.cli.demo.endpoints import Endpoints
from keyshift.cli.deploy import _words
from keyshift.deploy import tried
from keyshift.deploy.wheels import Platform
from tests.apply.event_source import event, read_stream
from tests.apply.history import history_of, random_steps
from tests.apply.stage import load_some, staged
from tests.deploy.archives import HERE, KEYMAP, OTHER, PYTHON, project, zipped
from tests.servers.emulated import emulated_python
from tests.servers.runtime_api import RuntimeApi, Sandbox

pytestmark = pytest.mark.any_pair
SECONDS = 60.0  # of an invocation; its timeout is not what is tried here


def test_the_archive_for_the_other_architecture_is_tried_and_applies_a_stream(
    endpoints: Endpoints, tmp_path: Path
) -> None:
    python = emulated_python(OTHER)
    folder = project(tmp_path / "project")
    options = ("--architecture", OTHER, "--python", python.version, "--hooks", "more")
    done = zipped(folder, "function.zip", *options, "--try-with", shlex.join(python.command))
    assert done.returncode == 0, done.stderr
    assert "note: " not in done.stdout
    with zipfile.ZipFile(folder / "function.zip") as opened:
        opened.extractall(folder / "task")
    with staged(endpoints, tmp_path, 1) as stage, RuntimeApi() as api:
        history = history_of(random_steps(random.Random(5), 40))
        stage.put(load_some(stage, history, random.Random(5)))
        environment = {
            **stage.endpoints.environment(),
            "KEYSHIFT_MIGRATION": stage.store.name,
            "KEYSHIFT_CONTROL_TABLE": stage.store.table,
        }
        log = stage.folder / "function.log"
        with Sandbox(api, folder / "task", "apply_stream.handle", environment, log, SECONDS, python) as sandbox:
            for shard, records in read_stream(stage.kinesis, stage.stream).items():
                answer = sandbox.invoke(event(stage.stream, shard, records))
                assert answer == {"batchItemFailures": []}, log.read_text()
        assert stage.has(history)
        assert stage.drained()


@pytest.mark.parametrize(
    ("command", "platform", "told"),
    [
        ([sys.executable], Platform(OTHER, PYTHON), rf"for Python {PYTHON} on {OTHER}, and tried by {PYTHON} on "),
        ([sys.executable], Platform(HERE, "3.99"), rf"for Python 3.99 on {HERE}, and tried by {PYTHON} on "),
        (["/bin/false"], Platform(HERE, PYTHON), "`/bin/false` runs no Python"),
        (["/nowhere"], Platform(HERE, PYTHON), "`/nowhere` cannot be run: No such file"),
    ],
)
def test_an_archive_is_tried_by_nothing_but_what_it_is_for(
    tmp_path: Path, command: list[str], platform: Platform, told: str
) -> None:
    keymap = parse_keymap(KEYMAP.replace('      hook: {call: "shop_hooks:tags", columns: [tag]}\n', ""), "keymap.yaml")
    with pytest.raises(KeyshiftError, match=told) as raised:
        tried.attempt(tmp_path, platform, command, keymap, ["json"])
    assert "--try-with" in raised.value.remedy


def test_what_cannot_be_tried_here_is_told_with_the_way_to_try_it(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Path(sys.executable)
    assert not tried.untried(Platform(HERE, PYTHON), own)
    assert not tried.untried(Platform(OTHER, PYTHON, ("emulator", "python")), None)
    assert "it has no bytecode" in tried.untried(Platform(HERE, "3.99"), None)
    assert "--try-with" in tried.untried(Platform(OTHER, PYTHON), own)
    monkeypatch.setattr(tried.machine, "libc_ver", lambda: ("", ""))  # as on macOS
    assert "it is for Linux with glibc" in tried.untried(Platform(HERE, PYTHON), own)


def test_the_words_that_run_it_are_those_of_a_shell_and_the_first_is_a_program() -> None:
    assert _words(f"{sys.executable} -L 'a b'") == (sys.executable, "-L", "a b")
    with pytest.raises(KeyshiftError, match="there is no program /nowhere, which --try-with names"):
        _words("/nowhere -L root")
