"""The wish to stop reaches every wait at once, however it is expressed."""

import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from keyshift.process.stop import Stop, Stopped

_WAITER = """
import sys, time
from keyshift.process.stop import Stop
stop = Stop()
stop.install()
print("ready", flush=True)
{body}
print("stopped", flush=True)
"""


def _start(body: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", _WAITER.format(body=body)]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_an_unset_wait_ends_after_its_seconds() -> None:
    began = time.monotonic()
    assert not Stop().wait(0.05)
    assert 0.04 < time.monotonic() - began < 2


def test_setting_wakes_every_thread_that_waits_now_or_later() -> None:
    stop = Stop()
    woken: list[bool] = []
    threads = [threading.Thread(target=lambda: woken.append(stop.wait(30))) for _ in range(8)]
    for thread in threads:
        thread.start()
    stop.set()
    for thread in threads:
        thread.join(5)
    assert woken == [True] * 8
    assert stop.is_set()
    assert stop.wait(30)


def test_a_wait_may_be_longer_than_the_system_waits_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = Stop()
    threading.Timer(0.1, stop.set).start()
    assert stop.wait(30 * 86_400)
    monkeypatch.setattr("keyshift.process.stop.POLL_SECONDS_MAX", 0.01)
    began = time.monotonic()
    assert not Stop().wait(0.055)
    assert time.monotonic() - began >= 0.05


def test_sleep_raises_when_it_is_cut_short() -> None:
    stop = Stop()
    stop.sleep(0)
    stop.set()
    with pytest.raises(Stopped):
        stop.sleep(30)


def test_setting_it_any_number_of_times_is_harmless() -> None:
    stop = Stop()
    for _ in range(100_000):  # more than a pipe holds
        stop.set()
    assert stop.wait(0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_long_wait_at_once_and_the_process_goes_on_to_its_end(number: signal.Signals) -> None:
    process = _start("stop.wait(60)")
    began = time.monotonic()
    process.send_signal(number)
    output, _ = process.communicate(timeout=20)
    assert output == "stopped\n"
    assert process.returncode == 0
    assert time.monotonic() - began < 10


def test_signals_in_any_moment_of_a_waiting_main_thread_never_lock_it_up() -> None:
    """With threading.Event this test hangs sooner or later: its lock is not reentrant."""
    body = "while not stop.wait(0): pass\nfor _ in range(20000): stop.set(); stop.wait(0)"
    process = _start(body + "\nprint('end', flush=True)\nsys.stdin.read()")
    assert process.stdout is not None
    while not select.select([process.stdout], [], [], 0.0005)[0]:
        process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)  # a closed standard input lets it go; a signal in the last moment would kill it
    assert process.returncode == 0


def test_a_second_interrupt_ends_a_process_that_does_not_listen() -> None:
    process = _start("while not stop.is_set(): pass\nprint('asked', flush=True)\ntime.sleep(60)")
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    assert process.stdout.readline() == "asked\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode != 0


def test_a_stop_that_is_let_go_gives_its_descriptors_back() -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = descriptors()
    for _ in range(50):
        Stop()
    assert descriptors() <= before + 2
