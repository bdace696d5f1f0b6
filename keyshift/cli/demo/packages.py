"""The system's package manager, as the last resort for a server that is nowhere on the machine."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from keyshift.cli.demo.child import ServerError

INSTALL_SECONDS_MAX = 900.0  # a JRE over a slow line; never reached where a package mirror is near
# Without the `DEBIAN_FRONTEND` a configuration question would wait for ever; the lock timeout waits for another apt.
_APT_GET = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "--option=DPkg::Lock::Timeout=300")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file against other processes; parallel test workers then install once, one after the other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(argv: Sequence[str], *, why: str, cwd: Path | None = None, environment: dict[str, str] | None = None) -> str:
    """Run an installing command and return what it printed; raises ServerError with its words when it fails."""
    try:
        return subprocess.run(  # noqa: S603 - fixed commands
            argv,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=True,
            text=True,
            timeout=INSTALL_SECONDS_MAX,
        ).stdout
    except subprocess.CalledProcessError as error:
        raise ServerError(f"{why}: `{' '.join(argv)}` failed:\n{error.stdout[-2000:]}") from error
    except (subprocess.TimeoutExpired, OSError) as error:
        raise ServerError(f"{why}: {error}") from error


def apt_install(packages: Sequence[str], *, why: str) -> None:
    """Install Debian or Ubuntu packages as root or by password-less sudo, else raise ServerError."""
    command = [*_privilege(why), *_APT_GET]
    with locked(Path(tempfile.gettempdir()) / f"keyshift-apt-{os.getuid()}.lock"):
        run([*command, "update"], why=why)
        run([*command, "install", "--yes", "--no-install-recommends", *packages], why=why)


def _privilege(why: str) -> list[str]:
    if not shutil.which("apt-get"):
        raise ServerError(f"{why}: there is no apt-get to install it with")
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0:  # noqa: S603
        return [sudo, "-n"]
    raise ServerError(f"{why}: apt-get could install it, but not as this user (not root, and sudo wants a password)")
