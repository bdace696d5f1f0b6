"""What was packed is tried before it is called done: all of it is imported, clients are made, and the keymap is read.

By an interpreter that has nothing else, of the version and the architecture that the archive is for: one of this
machine, or a command that runs one, such as an emulator. A hook that needs a module which is not in the archive, and a
library that does not load there, are told now, and not by the first invocation.
"""

import platform as machine
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from keymap.errors import KeyshiftError
from keymap.printing import keymap_text
from keymap.rules import Keymap
from keyshift.deploy.wheels import Architecture, Platform

_SECONDS_MAX: Final = 300.0
_TRIAL: Final = """
import platform, sys
print(*sys.version_info[:2], platform.machine(), flush=True)
import importlib, os
from pathlib import Path
os.chdir(sys.argv[1])  # as Lambda does
sys.path[:0] = [str(Path.cwd())]
try:
    for name in sys.argv[2:]:
        importlib.import_module(name)
    from keymap.rules import parse_keymap
    from keyshift.aws.clients import make_clients
    clients = make_clients("us-east-1")
    clients.dynamodb, clients.s3
    print(parse_keymap(sys.stdin.read(), "the keymap", Path.cwd()).digest)
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""
_MORE: Final = (
    "Give what hooks import to the archive: --hooks FILE-OR-FOLDER (`pip install --target` makes such a folder)"
)
_COMMAND: Final = "Give --try-with a command that runs a Python of that version and architecture"


def untried(platform: Platform, own: Path | None) -> str:
    """Why nothing here can try it, "" where something can. `own` is this machine's Python of the version."""
    if platform.command:
        return ""
    if own is None:
        python_of_uv = f"`uv python install {platform.python}` gets one"
        return f"there is no Python {platform.python} here: it has no bytecode, and was not tried; {python_of_uv}"
    here = architecture(machine.machine())
    if machine.libc_ver()[0] != "glibc":
        is_for = "Linux with glibc, and this machine has another system"
    elif platform.architecture != here:
        is_for = f"{platform.architecture}, and this machine is {here}"
    else:
        return ""
    return f"it was not tried: it is for {is_for}; --try-with names what tries it"


def architecture(name: str) -> Architecture:
    """What a system calls its processor, in Lambda's words."""
    return "arm64" if name in {"aarch64", "arm64"} else "x86_64"


def attempt(stage: Path, platform: Platform, python: Sequence[str], keymap: Keymap, modules: Sequence[str]) -> None:
    """Import `modules`, which are all of ours, and read the keymap, by the Python that the words run.

    Raises KeyshiftError where it is not the platform's, and where something does not work.
    """
    argv = [*python, "-I", "-S", "-B", "-c", _TRIAL, str(stage), *modules]
    done = run(argv, {}, keymap_text(keymap.document))
    who, _, told = done.stdout.strip().partition("\n")
    major, minor, name, *_ = (*who.split(), "", "", "")
    if done.returncode and not who:
        raise KeyshiftError(f"`{' '.join(python)}` runs no Python: {done.stderr.strip()}", _COMMAND)
    if (f"{major}.{minor}", architecture(name)) != (platform.python, platform.architecture):
        for_ = f"{platform.python} on {platform.architecture}"
        raise KeyshiftError(f"the archive is for Python {for_}, and tried by {major}.{minor} on {name}", _COMMAND)
    if done.returncode:
        raise KeyshiftError(f"what was packed does not work: {done.stderr.strip()}", _MORE)
    if told != keymap.digest:
        raise KeyshiftError(f"the keymap has the digest {told} there, and {keymap.digest} here", _MORE)


def run(argv: Sequence[str], environment: Mapping[str, str], text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a Python, however it ends. Raises KeyshiftError where it does not start, or does not end."""
    try:
        return subprocess.run(  # noqa: S603 - an interpreter, or what the user gave for one
            argv,
            input=text,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise KeyshiftError(f"`{argv[0]}` does not end within {_SECONDS_MAX:.0f} seconds", _COMMAND) from None
    except OSError as error:
        raise KeyshiftError(f"`{argv[0]}` cannot be run: {error.strerror}", _COMMAND) from error
