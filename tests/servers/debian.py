"""Programs of any Debian suite, beside the system: fetched by an apt of their own and run by their own loader.

The apt has its whole state below the cache directory, and packages are unpacked there: nothing of the system is
touched, and no root account is needed.
"""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from keyshift.cli.demo.child import ServerError
from keyshift.cli.demo.packages import locked, run
from tests.servers import CACHE


def unpacked(
    name: str, packages: Sequence[str], *, why: str, suite: str = "sid", architecture: str | None = None
) -> Path:
    """The directory `name` of the cache with these packages and all that they need; raises ServerError with `why`.

    `architecture` is Debian's name of one, the machine's if None.
    """
    root = CACHE / name
    with locked(CACHE / f"{name}.lock"):
        if not root.exists():
            _fetch(root, packages, why, suite, architecture)
    return root


def program(root: Path, path: str) -> tuple[str, ...]:
    """The words that run a binary below root, by its own loader with its own libraries: the system's may be older."""
    loader = next(path for path in sorted(root.rglob("ld-linux-*.so.*")) if path.is_file())
    libraries = sorted({str(path.parent) for path in root.rglob("*.so.*")})
    return (str(loader), "--library-path", ":".join(libraries), str(root / path))


def _fetch(root: Path, packages: Sequence[str], why: str, suite: str, architecture: str | None) -> None:
    """Download and unpack beside root; root appears only when all of it is there."""
    apt, partial = root.with_name(f"{root.name}.apt"), root.with_name(f"{root.name}.partial")
    for leftover in (apt, partial):
        shutil.rmtree(leftover, ignore_errors=True)
    environment = {"APT_CONFIG": str(_private_apt(apt, why, suite, architecture))}
    run(["apt-get", "update"], why=why, environment=environment)
    options = ["--yes", f"--target-release={suite}", "--download-only", "--no-install-recommends"]
    run(["apt-get", *options, "install", *packages], why=why, environment=environment)
    for package in sorted(apt.glob("var/cache/apt/archives/*.deb")):
        run(["dpkg-deb", "--extract", str(package), str(partial)], why=why)
    shutil.rmtree(apt)
    partial.rename(root)


def _private_apt(apt: Path, why: str, suite: str, architecture: str | None) -> Path:
    """The configuration of an apt with its own sources, state and cache, and with nothing installed."""
    for directory in ("etc/apt/sources.list.d", "var/lib/apt/lists/partial", "var/cache/apt/archives/partial"):
        (apt / directory).mkdir(parents=True)
    (apt / "status").touch()
    (apt / "etc/apt/sources.list").write_text(f"deb {_mirror(why)} {suite} main\n")
    configuration = apt / "apt.conf"
    lines = [
        f'Dir "{apt}";',
        f'Dir::State::status "{apt / "status"}";',
        'Dir::Etc::trustedparts "/etc/apt/trusted.gpg.d";',
        'APT::Sandbox::User "root";',  # the account of apt's downloads may not read below our directory
        run(["apt-config", "dump", "Acquire"], why=why),  # the machine's proxy, certificates and clock
    ]
    if architecture:
        lines += [f'APT::Architecture "{architecture}";', f'APT::Architectures {{ "{architecture}"; }};']
    configuration.write_text("\n".join(lines))
    return configuration


def _mirror(why: str) -> str:
    """The Debian archive that the machine itself is installed from."""
    form = "$(LABEL) $(REPO_URI)"
    targets = run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"], why=why)
    found = re.search(r"^Debian (\S+)$", targets, re.MULTILINE)
    if not found:
        raise ServerError(f"{why}: this machine has no Debian sources (or needs `apt-get update` first)")
    return found[1]
