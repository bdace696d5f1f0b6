"""`python -m bench.cold`: what the function's archive costs until its first answer, with its bytecode and without.

Built for this machine and this Python, unpacked, and run under AWS's runtime interface client beside local endpoints.
Each figure is the median of fresh processes, in seconds of processor time, which is what one vCPU takes: Python's own
start, the handler's import, and all up to the end of the first invocation, of one record.
"""

import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from platform import machine
from typing import Final

from keymap.rules import load_keymap
from keyshift.cli.demo.endpoints import Endpoints
from keyshift.deploy.archive import build
from keyshift.deploy.tried import architecture
from keyshift.deploy.wheels import Platform
from tests.apply.event_source import event, read_stream
from tests.apply.history import marker
from tests.apply.stage import Stage, staged
from tests.servers.runtime_api import RuntimeApi, Sandbox

TIMES: Final = 9
SECONDS_MAX: Final = 60.0


def main() -> None:
    """Measure, and print."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    with (
        tempfile.TemporaryDirectory() as folder,
        Endpoints() as endpoints,
        staged(endpoints, Path(folder), 1) as stage,
    ):
        file, archive, task = (stage.folder / name for name in ("keymap.yaml", "function.zip", "task"))
        built = build(load_keymap(file), file, Platform(architecture(machine()), version), (), archive)
        print(f"Python {version}, {built.bytes:,} bytes, {built.unpacked_bytes:,} unpacked")
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(task)
        stage.put([marker(stage.shop.keymap, 0, 1)])
        show(stage, task, "with bytecode")
        for one in list(task.rglob("__pycache__")):
            shutil.rmtree(one)
        show(stage, task, "without")


def show(stage: Stage, task: Path, name: str) -> None:
    """Print the figures of one form of the archive, which are measured in turn."""
    works = (
        partial(start, task, "pass"),
        partial(start, task, "import apply_stream"),
        partial(invoke_once, stage, task),
    )
    nothing, imported, first = map(
        statistics.median, zip(*([cost(one) for one in works] for _ in range(TIMES)), strict=True)
    )
    print(f"{name}: Python {nothing:.3f}, import {imported - nothing:.3f}, all to the first answer {first:.3f}")


def start(task: Path, program: str) -> None:
    """Run a program in an interpreter that has the archive alone to import, and leaves without tidying up."""
    whole = f"import os, sys; sys.path[:0] = [{str(task)!r}]; {program}; os._exit(0)"
    argv = [sys.executable, "-I", "-S", "-B", "-c", whole]
    subprocess.run(argv, check=True, env={})


def invoke_once(stage: Stage, task: Path) -> None:
    """A new process, up to its first answer."""
    ((shard, records),) = read_stream(stage.kinesis, stage.stream).items()
    environment = {
        **stage.endpoints.environment(),
        "KEYSHIFT_MIGRATION": stage.store.name,
        "KEYSHIFT_CONTROL_TABLE": stage.store.table,
    }
    log = stage.folder / "log"
    with (
        RuntimeApi() as api,
        Sandbox(api, task, "apply_stream.handle", environment, log, SECONDS_MAX) as sandbox,
    ):
        sandbox.invoke(event(stage.stream, shard, records[:1]))


def cost(work: Callable[[], None]) -> float:
    """Seconds of processor time that processes take which `work` starts and ends."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
