"""Dates are reformatted as they stand, and become seconds since 1970 by the zone that is named."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymap.moments import _zone_names, zone
from keymap.template import PatchError, parse_template
from keymap.values import Canonical

DATETIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))  # a day from the ends: no zone leads beyond them
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia")

CHANGES = (  # days on which clocks were moved: by an hour, by half an hour, by a day
    datetime(2024, 3, 31), datetime(2024, 10, 27), datetime(2024, 3, 10), datetime(2024, 11, 3),
    datetime(2024, 4, 7), datetime(2024, 10, 6), datetime(2011, 12, 30),
)  # fmt: skip
NEAR_CHANGES = st.builds(
    lambda day, seconds: day + timedelta(seconds=seconds), st.sampled_from(CHANGES), st.integers(0, 86_399)
)


def value(calls: str, given_value: Canonical) -> Canonical:
    return parse_template(f"{{c|{calls}}}").value({"c": given_value}, {})


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("%Y-%m", "2024-02-29", "2024-02"),
        ("%y%m%d", "2024-02-29T23:59:59", "240229"),
        ("%H:%M:%S.%f", "2024-02-29T23:59:58.1", "23:59:58.100000"),
        ("%f", "2024-02-29T23:59:58", "000000"),
        ("%H", "2024-02-29T23:59:58.123456Z", "23"),
        ("%j", "2024-12-31", "366"),
        ("%G-W%V-%u", "2027-01-01", "2026-W53-5"),
        ("%G-W%V", "9999-12-31", "9999-W52"),
        ("Y%Y %d%%", "1000-01-01", "Y1000 01%"),
        ("%Y", "0001-01-01", "0001"),
        ("%Y", "2024-00-00", "2024"),
        ("%Y-%m", "2024-02-00", "2024-02"),
        ("%d", "2023-02-31", "31"),
    ],
)
def test_what_a_date_becomes(form: str, text: str, expected: str) -> None:
    assert value(f"date('{form}')", text) == expected


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("%Y", "0000-00-00", "needs what %Y stands for"),
        ("%y", "0000-00-00T00:00:00Z", "needs what %y stands for"),
        ("%m", "2024-00-00", "needs what %m stands for"),
        ("%d", "2024-02-00", "needs what %d stands for"),
        ("%H", "2024-02-29", "needs what %H stands for"),
        ("%f", "2024-02-29", "needs what %f stands for"),
        ("%j", "2024-02-00", "needs a whole and real date for %j"),
        ("%V", "2023-02-31", "needs a whole and real date for %V"),
        ("%Y", "24-02-29", "takes a DATE, DATETIME or TIMESTAMP"),
        ("%Y", "2024-02-29 10:00:00", "takes a DATE, DATETIME or TIMESTAMP"),
        ("%Y", "2024-02-29T10:00:00+02", "takes a DATE, DATETIME or TIMESTAMP"),
    ],
)
def test_a_date_that_lacks_what_is_asked_for_is_refused(form: str, text: str, expected: str) -> None:
    with pytest.raises(PatchError) as refused:
        value(f"date('{form}')", text)
    assert f"column c: date {expected}" in str(refused.value)
    assert text not in str(refused.value)


@pytest.mark.parametrize(
    ("calls", "text", "expected"),
    [
        ("epoch", "1970-01-01T00:00:00Z", 0),
        ("epoch", "1970-01-01T00:00:01.999999Z", 1),
        ("epoch", "1969-12-31T23:59:59.5Z", -1),
        ("epoch", "2038-01-19T03:14:07Z", 2**31 - 1),
        ("epoch(zone='UTC')", "1000-01-01", -30610224000),
        ("epoch(zone='UTC')", "9999-12-31T23:59:59.999999", 253402300799),
        ("epoch(zone='America/New_York')", "9999-12-31T23:59:59", 253402318799),
        ("epoch(zone='Asia/Tokyo')", "0001-01-01T00:00:00", -62135630339),
        ("epoch(zone='Pacific/Kiritimati')", "0001-01-01T00:00:00", -62135559040),
        ("epoch('Europe/Berlin')", "2024-02-29", 1709161200),
        # Europe/Berlin sprang from 02:00 to 03:00 on 31 March 2024: what was skipped counts by the offset before.
        ("epoch('Europe/Berlin')", "2024-03-31T01:59:59", 1711846799),
        ("epoch('Europe/Berlin')", "2024-03-31T02:30:00", 1711848600),
        ("epoch('Europe/Berlin')", "2024-03-31T03:30:00", 1711848600),
        # It fell back from 03:00 to 02:00 on 27 October 2024: what was shown twice counts as the first.
        ("epoch('Europe/Berlin')", "2024-10-27T02:30:00", 1729989000),
        ("epoch('Europe/Berlin')", "2024-10-27T03:00:00", 1729994400),
    ],
)
def test_seconds_since_1970(calls: str, text: str, expected: int) -> None:
    assert value(calls, text) == expected


@pytest.mark.parametrize(
    ("calls", "text", "expected"),
    [
        ("epoch", "2024-02-29", "epoch needs a zone for a DATE, which has none"),
        ("epoch", "2024-02-29T00:00:00", "epoch needs a zone for a DATETIME, which has none"),
        ("epoch('UTC')", "2024-02-29T00:00:00Z", "epoch is given a zone, and a TIMESTAMP is an instant"),
        ("epoch", "0000-00-00T00:00:00Z", "epoch needs a whole and real date"),
        ("epoch('UTC')", "2024-02-00", "epoch needs a whole and real date"),
        ("epoch('UTC')", "2023-02-29", "epoch needs a whole and real date"),
    ],
)
def test_what_is_no_instant_is_refused(calls: str, text: str, expected: str) -> None:
    with pytest.raises(PatchError) as refused:
        value(calls, text)
    assert f"column c: {expected}" in str(refused.value)


@given(DATETIMES)
def test_epoch_is_the_inverse_of_date_for_instants(moment: datetime) -> None:
    text = moment.isoformat(timespec="microseconds") + "Z"
    seconds = value("epoch", text)
    assert isinstance(seconds, int)
    back = datetime(1970, 1, 1) + timedelta(seconds=seconds)
    assert value("date('%Y-%m-%dT%H:%M:%S')", text) == back.isoformat(timespec="seconds")


@given(st.one_of(DATETIMES, NEAR_CHANGES), st.sampled_from(ZONES))
def test_a_local_time_is_where_the_zone_shows_it_or_as_much_later_as_was_skipped(moment: datetime, name: str) -> None:
    moment = moment.replace(microsecond=0)
    seconds = value(f"epoch(zone='{name}')", moment.isoformat())
    assert isinstance(seconds, int)
    before, after = (zone(name).utcoffset(moment.replace(fold=fold)) for fold in (0, 1))
    assert before is not None
    assert after is not None
    instant = datetime(1970, 1, 1) + timedelta(seconds=seconds)  # in UTC
    offset = zone(name).fromutc(instant.replace(tzinfo=zone(name))).utcoffset()
    assert offset is not None
    assert instant + offset == moment + max(after - before, timedelta(0))


@given(DATETIMES)
def test_dates_take_the_width_that_their_format_has(moment: datetime) -> None:
    template = parse_template("{c|date('%Y %y %m %d %H %M %S %f %j %G %V %u %% ä')}")
    (function,) = template.parts[0].functions
    assert len(template.render({"c": moment.isoformat()}, {})) == function.width


def test_every_zone_of_the_database_can_be_named() -> None:
    names = _zone_names()
    assert {"Europe/Berlin", "UTC", "America/Argentina/Buenos_Aires"} <= set(names)
    assert [name for name in names if zone(name).utcoffset(datetime(2024, 1, 1)) is None] == []


@pytest.mark.parametrize("name", ["Europe/Berlni", "", "../zones", "localtime", "europe/berlin"])
def test_zones_that_are_not_known_are_refused_when_the_template_is_read(name: str) -> None:
    with pytest.raises(ValueError, match="is not known"):
        parse_template(f"{{c|epoch(zone='{name}')}}")
