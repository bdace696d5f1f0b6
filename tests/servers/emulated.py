"""A Python of another architecture: Debian's, in a folder of its own, run by QEMU's user emulation.

System calls are the machine's own: what runs there has its files and its network. It is 5 to 20 times slower, and the
processor is the oldest that Lambda has. `python -m tests.servers.emulated arm64` prints the command, for
`keyshift deploy zip --try-with`.
"""

import shlex
import sys
from pathlib import Path
from typing import Final

from keyshift.cli.demo.packages import locked, run
from keyshift.deploy.wheels import Architecture, interpreter
from tests.servers import CACHE, debian
from tests.servers.runtime_api import Python

SUITE: Final = "trixie"
VERSION: Final = "3.13"  # of that suite, and of the function's runtime
_NAME: Final = f"python{VERSION}"
# As Debian calls it, and as QEMU, pip and the kernel do; and the processor: Graviton2, and the first with AVX2.
_NAMES: Final[dict[Architecture, tuple[str, str, str]]] = {
    "arm64": ("arm64", "aarch64", "neoverse-n1"),
    "x86_64": ("amd64", "x86_64", "Haswell-noTSX"),
}
_PACKAGES: Final = (_NAME, "libstdc++6")  # that one for awslambdaric, which finds it in Lambda too
_WHY: Final = "no emulated Python for the tests: Debian's own, and QEMU, could not be fetched"


def emulated_python(architecture: Architecture) -> Python:
    """The Python, fetched if it is not there yet; raises ServerError if there is no way."""
    of_debian, machine, processor = _NAMES[architecture]
    qemu = debian.unpacked(f"qemu-{SUITE}", ["qemu-user"], why=_WHY, suite=SUITE)
    root = debian.unpacked(f"{_NAME}-{of_debian}", _PACKAGES, why=_WHY, suite=SUITE, architecture=of_debian)
    emulator = str(qemu / "usr" / "bin" / f"qemu-{machine}")  # linked statically
    command = (emulator, "-cpu", processor, *debian.program(root, f"usr/bin/{_NAME}"))
    _compile_library(root, command)
    return Python(command, VERSION, f"manylinux2014_{machine}")


def _compile_library(root: Path, command: tuple[str, ...]) -> None:
    """Do once what Debian does when a package is installed, where it is only unpacked: half of each start is saved."""
    own = interpreter(VERSION)
    done = root / "compiled"
    with locked(CACHE / f"{root.name}.lock"):
        if not done.exists():
            python = (str(own),) if own else command
            run([*python, "-I", "-S", "-m", "compileall", "-q", str(root / "usr" / "lib" / _NAME)], why=_WHY)
            done.touch()


if __name__ == "__main__":
    (asked,) = (one for one in _NAMES if one in sys.argv[1:])
    sys.stdout.write(shlex.join(emulated_python(asked).command) + "\n")
