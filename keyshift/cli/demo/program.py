"""Which MySQL-compatible server to run: one on the machine, one in a container, or one that apt-get installs."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from typing import Literal

from keyshift.cli.demo.child import ServerError
from keyshift.cli.demo.packages import apt_install, run

Flavour = Literal["mariadb", "mysql"]

IMAGES: dict[Flavour, str] = {"mariadb": "mariadb:11.8", "mysql": "mysql:8.4"}  # the long-term releases
# The server first; mariadb-install-db is a script that calls the last one.
_BINARIES: dict[Flavour, tuple[str, ...]] = {
    "mariadb": ("mariadbd", "mariadb-install-db", "my_print_defaults"),
    "mysql": ("mysqld",),
}
# They hold the programs alone: no service is started and no account is made, as mariadb-server would.
_PACKAGES = ("mariadb-server-core", "mariadb-client-core")
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/usr/libexec"])
_DOCKER_SECONDS_MAX = 10.0  # an engine that answers does so at once; a stopped Docker Desktop hangs


@dataclass(frozen=True, slots=True)
class ServerProgram:
    """How to run one particular server: words of commands, never a shell line."""

    flavour: Flavour
    version: str  # "10.11.19", as the program itself says
    server: tuple[str, ...]  # several words when a loader has to run the binary
    initialise: tuple[str, ...]  # fills the empty data directory that is given as --datadir
    options: tuple[str, ...] = ()  # what this installation always needs, such as --basedir
    wrapper: tuple[str, ...] = ()  # runs the server elsewhere; {port} and {directory} are filled in
    bind_address: str = "127.0.0.1"  # every address inside a container, whose published port is local


def find_program() -> ServerProgram:
    """Any server that this machine can run, installing MariaDB as the last resort; raises ServerError if there is none.

    MariaDB first: it starts in a quarter of the time and takes a third of the memory.
    """
    found = installed("mariadb") or installed("mysql") or container("mariadb")
    return found or install_mariadb()


def installed(flavour: Flavour) -> ServerProgram | None:
    """The server of this flavour on the PATH or where packages put it; beware that MariaDB may be called mysqld too."""
    paths = [shutil.which(name, path=_PATH) for name in _BINARIES[flavour]]
    return describe(flavour, (paths[0],)) if paths[0] and all(paths) else None


def container(flavour: Flavour) -> ServerProgram | None:
    """The official image, if a Docker engine answers. It runs like a local server: same directory, port and account."""
    docker = shutil.which("docker")
    if not docker or not _docker_answers(docker):
        return None
    image = IMAGES[flavour]
    once = (docker, "run", "--rm", "--entrypoint=", image)
    program = describe(flavour, _BINARIES[flavour][:1], probe=once)
    wrapper = (
        *(docker, "run", "--rm", "--init", "--interactive", "--entrypoint="),  # stdin is the leash: see child.py
        f"--user={os.getuid()}:{os.getgid()}",
        "--volume={directory}:{directory}",
        "--publish=127.0.0.1:{port}:{port}",
        image,
    )
    return program and replace(program, wrapper=wrapper, bind_address="0.0.0.0")  # noqa: S104 - published locally


def describe(
    flavour: Flavour, server: tuple[str, ...], options: tuple[str, ...] = (), probe: tuple[str, ...] = ()
) -> ServerProgram | None:
    """Ask the server for its version (through probe, if it runs elsewhere); None if it is of the other flavour."""
    words = run([*probe, *server, "--no-defaults", "--version"], why=f"the {flavour} server does not run")
    version = re.search(r"Ver (\d+\.\d+\.\d+)(-MariaDB)?", words)
    if not version or bool(version[2]) != (flavour == "mariadb"):
        return None
    return ServerProgram(flavour, version[1], server, _initialise(flavour, server, options), options)


def _initialise(flavour: Flavour, server: tuple[str, ...], options: tuple[str, ...]) -> tuple[str, ...]:
    if flavour == "mysql":
        return (*server, "--no-defaults", *options, "--initialize-insecure")
    return (
        "mariadb-install-db",
        "--no-defaults",
        *options,
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
    )


def install_mariadb() -> ServerProgram:
    """MariaDB from the system's packages; raises ServerError where they cannot be had."""
    why = "no MySQL or MariaDB server to run: neither mariadbd nor mysqld is on the PATH and no Docker engine answers"
    remedy = "Install MariaDB (package mariadb-server) or start Docker, then try again."
    try:
        apt_install(_PACKAGES, why=why)
    except ServerError as error:
        raise ServerError(f"{error}. {remedy}") from error
    program = installed("mariadb")
    if not program:
        raise ServerError(f"{why}, and the packages {_PACKAGES} do not bring one. {remedy}")
    return program


def _docker_answers(docker: str) -> bool:
    try:
        info = subprocess.run([docker, "info"], capture_output=True, check=False, timeout=_DOCKER_SECONDS_MAX)  # noqa: S603
    except subprocess.TimeoutExpired:
        return False
    return info.returncode == 0
