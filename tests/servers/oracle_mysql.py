"""Oracle's MySQL: the one on the machine, one in a container, or the newest from Debian's unstable suite.

Debian's stable suites hold MariaDB alone. So the last way takes the program and all its libraries, down to the loader,
from the suite sid, through an apt that has its whole state below the cache directory, and unpacks them there: nothing
of the system is touched, and no root account is needed. Other releases than the newest cannot be had like this; for
them put a mysqld on the PATH or start Docker.
"""

import re
import shutil
from pathlib import Path

from keyshift.cli.demo.child import ServerError
from keyshift.cli.demo.packages import locked, run
from keyshift.cli.demo.program import ServerProgram, container, describe, installed
from tests.servers import CACHE

SUITE = "sid"
PACKAGES = ("mysql-server-core", "mysql-client-core")
_WHY = "no Oracle MySQL for the tests: no mysqld on the PATH, no Docker engine, and Debian's own could not be fetched"


def oracle_mysql() -> ServerProgram:
    """A way to run Oracle MySQL; raises ServerError if there is none."""
    return installed("mysql") or container("mysql") or _from_sid()


def _from_sid() -> ServerProgram:
    root = CACHE / "mysql-sid"
    with locked(CACHE / "mysql-sid.lock"):
        if not root.exists():
            _fetch(root)
    program = describe("mysql", _server(root), options=_options(root))
    if not program:
        raise ServerError(f"{_WHY}: {root} holds another server; remove it and try again")
    return program


def _server(root: Path) -> tuple[str, ...]:
    """The binary is run by its own loader with its own libraries: the system's C library may be years older."""
    loader = next(path for path in sorted(root.rglob("ld-linux-*.so.*")) if path.is_file())
    libraries = sorted({str(path.parent) for path in root.rglob("*.so.*")})
    return (str(loader), "--library-path", ":".join(libraries), str(root / "usr/sbin/mysqld"))


def _options(root: Path) -> tuple[str, ...]:
    """Where the binary looks for its files; compiled in is the system's /usr."""
    plugins = next(root.glob("usr/lib/mysql/plugin"), root / "usr/lib/mysql/plugin")
    return (
        f"--basedir={root / 'usr'}",
        f"--lc-messages-dir={root / 'usr/share/mysql'}",
        f"--character-sets-dir={root / 'usr/share/mysql/charsets'}",
        f"--plugin-dir={plugins}",
    )


def _fetch(root: Path) -> None:
    """Download and unpack beside root; root appears only when all of it is there."""
    apt, unpacked = root.with_name("mysql-sid.apt"), root.with_name("mysql-sid.partial")
    for leftover in (apt, unpacked):
        shutil.rmtree(leftover, ignore_errors=True)
    environment = {"APT_CONFIG": str(_private_apt(apt))}
    run(["apt-get", "update"], why=_WHY, environment=environment)
    download = [
        "apt-get",
        "--yes",
        f"--target-release={SUITE}",
        "--download-only",
        "--no-install-recommends",
        "install",
    ]
    run([*download, *PACKAGES], why=_WHY, environment=environment)
    for package in sorted(apt.glob("var/cache/apt/archives/*.deb")):
        run(["dpkg-deb", "--extract", str(package), str(unpacked)], why=_WHY)
    shutil.rmtree(apt)
    unpacked.rename(root)


def _private_apt(apt: Path) -> Path:
    """The configuration of an apt with its own sources, state and cache, and with nothing installed."""
    for directory in ("etc/apt/sources.list.d", "var/lib/apt/lists/partial", "var/cache/apt/archives/partial"):
        (apt / directory).mkdir(parents=True)
    (apt / "status").touch()
    (apt / "etc/apt/sources.list").write_text(f"deb {_mirror()} {SUITE} main\n")
    configuration = apt / "apt.conf"
    lines = [
        f'Dir "{apt}";',
        f'Dir::State::status "{apt / "status"}";',
        'Dir::Etc::trustedparts "/etc/apt/trusted.gpg.d";',
        'APT::Sandbox::User "root";',  # the account of apt's downloads may not read below our directory
        run(["apt-config", "dump", "Acquire"], why=_WHY),  # the machine's proxy, certificates and clock
    ]
    configuration.write_text("\n".join(lines))
    return configuration


def _mirror() -> str:
    """The Debian archive that the machine itself is installed from."""
    form = "$(LABEL) $(REPO_URI)"
    targets = run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"], why=_WHY)
    found = re.search(r"^Debian (\S+)$", targets, re.MULTILINE)
    if not found:
        raise ServerError(f"{_WHY}: this machine has no Debian sources (or needs `apt-get update` first)")
    return found[1]
