"""What a team answers for is kept with its first reason, and each pass of repair has a number of its own."""

from keyshift.control.answers import Answer, next_repair, read_answers, record_answers
from keyshift.control.store import Store
from tests.control.conftest import TABLES

CASCADE = Answer("fk_cascade", TABLES[0], "no parent is ever deleted")


def test_an_answer_stays_whatever_is_answered_later(store: Store) -> None:
    assert read_answers(store) == ()
    record_answers(store, [CASCADE])
    record_answers(store, [])
    record_answers(store, [Answer("fk_cascade", TABLES[0], "changed my mind"), Answer("engine", TABLES[0], "a log")])
    assert set(read_answers(store)) == {CASCADE, Answer("engine", TABLES[0], "a log")}


def test_two_processes_that_record_the_same_answer_at_once_leave_the_first(store: Store) -> None:
    class Late:
        """Sees nothing yet: the other's write comes in between."""

        swap = store.swap

        @staticmethod
        def query(*_: object, **__: object) -> list[object]:
            return []

    record_answers(store, [CASCADE])
    record_answers(Late(), [Answer("fk_cascade", TABLES[0], "second")])  # type: ignore[arg-type]
    assert read_answers(store) == (CASCADE,)


def test_numbers_of_repair_go_up(store: Store) -> None:
    assert [next_repair(store) for _ in range(3)] == [1, 2, 3]
