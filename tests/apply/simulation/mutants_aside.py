"""Mistakes around what is set aside, redriven and tidied, that the simulation must find."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from keymap import removals
from keymap.version import is_tombstone
from keyshift.apply import lifetime, redrive, setaside, stream, tidy
from keyshift.apply.refusals import Foreign, Poison
from keyshift.control import barrier, standing
from keyshift.control.setasides import State
from tests.apply.simulation import operators
from tests.apply.simulation.operators import REDRIVE, TIDYING

Patching = pytest.MonkeyPatch


def what_cannot_be_applied_is_skipped(patch: Patching) -> None:
    """Its record is done, and nothing of it is kept."""
    patch.setattr(setaside.SettingAside, "_keep", lambda *_arguments: None)


def markers_precede_what_is_set_aside(patch: Patching) -> None:
    """A batch's markers are recorded when all that can be is written, and then its poison is set aside."""
    right = stream.StreamApplier._done

    def done(self: stream.StreamApplier, records: Any, packs: Any, outcome: Any, *others: Any) -> Any:
        if all(isinstance(failure.error, Poison | Foreign) for failure in outcome.failures):
            self._mark(pack.header for pack in packs)
        return right(self, records, packs, outcome, *others)

    patch.setattr(stream.StreamApplier, "_done", done)


def an_item_comes_before_its_object(patch: Patching) -> None:
    """What is set aside is recorded, and then stored."""
    right = setaside.SettingAside._keep

    def keep(self: setaside.SettingAside, *arguments: Any) -> None:
        objects, later = self._objects, list[Any]()
        self._objects = SimpleNamespace(keep=lambda *one: later.append(one))
        right(self, *arguments)
        self._objects = objects
        for one in later:
            objects.keep(*one)

    patch.setattr(setaside.SettingAside, "_keep", keep)


def a_redrive_ends_what_it_has_not_written(patch: Patching) -> None:
    """Whatever is redriven is superseded, it says."""
    patch.setattr(redrive.Redriver, "_apply", lambda *_arguments: State.STALE)


def the_cutover_holds_no_redrive_off(patch: Patching) -> None:
    """The gate is closed, whoever redrives at that moment."""
    patch.setattr(operators, "held_off", lambda *_arguments: nullcontext())


def the_horizon_passes_what_is_set_aside(patch: Patching) -> None:
    """It rises to where every lane is, whatever is missing on the way."""
    patch.setattr(tidy, "in_the_way", lambda *_arguments: [])


def the_horizon_waits_for_no_lane(patch: Patching) -> None:
    """It rises to a barrier that was sent, and not answered yet."""
    patch.setattr(barrier.BarrierState, "complete", property(lambda state: state.sent))


def older_batches_are_not_waited_for(patch: Patching) -> None:
    """Tombstones go as soon as the horizon has risen, and a batch that goes by an older one may write when it likes."""
    patch.setattr(tidy, "ended_after", lambda _seconds: 0.0)
    patch.setattr(lifetime.Lifetime, "check", lambda _lifetime: None)


def tombstones_above_the_horizon_go(patch: Patching) -> None:
    """All go."""
    patch.setattr(removals, "may_go", lambda mark, _upto: is_tombstone(mark))


def what_lies_behind_the_horizon_is_written(patch: Patching) -> None:
    """No consumer drops anything."""
    patch.setattr(standing, "horizon_of", lambda _phase: "")


# Each with what its histories lean towards, and the first of them: some are rare, and where one is found is known.
MUTANTS_ASIDE: Sequence[tuple[Callable[[Patching], None], str, int]] = (
    (what_cannot_be_applied_is_skipped, REDRIVE, 0),
    (markers_precede_what_is_set_aside, REDRIVE, 9),
    (an_item_comes_before_its_object, REDRIVE, 0),
    (a_redrive_ends_what_it_has_not_written, REDRIVE, 0),
    (the_cutover_holds_no_redrive_off, REDRIVE, 0),
    (the_horizon_passes_what_is_set_aside, TIDYING, 14),
    (the_horizon_waits_for_no_lane, TIDYING, 0),
    (older_batches_are_not_waited_for, TIDYING, 15),
    (tombstones_above_the_horizon_go, TIDYING, 7),
    (what_lies_behind_the_horizon_is_written, TIDYING, 0),
)
