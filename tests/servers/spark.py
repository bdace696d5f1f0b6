"""Apache Spark as it is published on PyPI: what spark-submit runs here, and executors as processes of their own.

It needs Java 17. It is no dependency of Keyshift: on a cluster it is there, and brings its own module pyspark along.
"""

import os
import sys
from pathlib import Path

from keyshift.cli.demo.packages import locked, run
from tests.servers import CACHE
from tests.servers.npm import executable

VERSION = "4.0.5"
# Small and quick to start: no page to look at, one compiler, little memory.
_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto"
_QUICK = {
    "spark.ui.enabled": "false",
    "spark.driver.extraJavaOptions": _JAVA,
    "spark.executor.extraJavaOptions": _JAVA,
    "spark.driver.memory": "512m",
    "spark.log.level": "ERROR",
}


def distribution() -> Path:
    """The source distribution, unpacked: installing it takes a minute more, which is spent on packing it again."""
    folder = CACHE / f"pyspark-{VERSION}"
    with locked(CACHE / "pyspark.lock"):
        if not (folder / "complete").exists():
            _fetch(folder)
            (folder / "complete").touch()
    return folder / f"pyspark-{VERSION}"


def _fetch(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    run([*pip, "--dest", str(folder), f"pyspark=={VERSION}"], why="the tests need Apache Spark")
    archive = next(folder.glob("pyspark-*.tar.gz"))
    run(["tar", "-xf", str(archive), "-C", str(folder)], why="the tests need Apache Spark")
    archive.unlink()


def submit_options(master: str, folder: Path, **more: str) -> list[str]:
    """Options of spark-submit. What Spark writes goes below `folder`."""
    options = {**_QUICK, "spark.local.dir": str(folder / "spark"), **more}
    return ["--master", master, *(text for name, value in options.items() for text in ("--conf", f"{name}={value}"))]


def environment(folder: Path, *paths: Path) -> dict[str, str]:
    """The variables that Spark needs; `paths` joins Python's. Its own home is below `folder`: executors work there."""
    executable("java", "default-jre-headless")
    unpacked, home = distribution(), folder / "spark-home"
    for name, place in {"bin": "deps/bin", "jars": "deps/jars", "python": "."}.items():
        if not (home / name).exists():
            home.mkdir(exist_ok=True)
            (home / name).symlink_to(unpacked / place)
    (py4j,) = unpacked.glob("lib/py4j-*.zip")
    return {
        **os.environ,
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYTHONPATH": os.pathsep.join(map(str, (unpacked, py4j, *paths))),
        "PYSPARK_PYTHON": sys.executable,
    }
