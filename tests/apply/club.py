"""A club whose rows share items and pass places to each other: every kind of slot, with and without owners.

A seat belongs to whoever sits there (the key is the position, the primary key another column). A booking's item, known
by its public number, is shared by the booking itself, its guests (entries of a map), its remarks (entries of a map that
tell the primary key), and its extras (attributes with names made of data).
"""

from collections.abc import Iterable
from typing import Any

from keymap.bookkeeping import Bookkeeping
from keymap.patch import Item
from keymap.rules import Keymap, parse_keymap
from keymap.slots import empty_maps
from keymap.values import Row
from tests.apply.keymaps import in_order

TEXT = """\
keyshift: 1
targets:
  {prefix}seats:
    partition_key: {{pk: S}}
  {prefix}bookings:
    partition_key: {{number: N}}
tables:
  club.seat:
    - target: {prefix}seats
      key: {{pk: "SEAT#{{pos}}"}}
      owner: [id]
  club.booking:
    - target: {prefix}bookings
      key: {{number: "{{number}}"}}
      where: {{state: {{not_equals: draft}}}}
      owner: [id]
  club.guest:
    - target: {prefix}bookings
      key: {{number: "{{number}}"}}
      group: {{map: guests, entry: "{{line}}"}}
      exclude: [number, line]
      constants: {{kind: guest}}
      owner: [id]
  club.remark:
    - target: {prefix}bookings
      key: {{number: "{{number}}"}}
      group: {{map: remarks, entry: "{{line}}", value: text}}
  club.extra:
    - target: {prefix}bookings
      key: {{number: "{{number}}"}}
      group: {{attribute: "x_{{name}}", value: text}}
      owner: [id]
"""
KEYS = {"seats": ("pk",), "bookings": ("number",)}
# Columns of each table: the primary key, what makes the slot, and what it holds.
TABLES = {
    "seat": (("id",), ("pos",), ("text",)),
    "booking": (("id",), ("number",), ("text", "state")),
    "guest": (("id",), ("number", "line"), ("text",)),
    "remark": (("number", "line"), (), ("text",)),
    "extra": (("id",), ("number", "name"), ("text",)),
}


def club(prefix: str = "") -> Keymap:
    """The keymap, its two tables named with the prefix."""
    return parse_keymap(TEXT.format(prefix=prefix), "keymap.yaml")


def slot_of(table: str, row: Row) -> tuple[Any, ...]:
    """The place that a row takes, by thought and not by the keymap."""
    key, slot, _ = TABLES[table]
    return table, *(row[name] for name in (*slot, *(key if table == "remark" else ())))


def truth(rows: Iterable[tuple[str, Row]]) -> dict[str, list[Item]]:
    """The items that rows stand for when no two of them rest on one slot, worked out without patches."""
    seats: list[Item] = []
    bookings: dict[int, Item] = {}
    for table, held in rows:
        row: dict[str, Any] = held
        text = {} if row["text"] is None else {"text": {"S": row["text"]}}
        if table == "seat":
            own = {"pos": {"N": str(row["pos"])}, "id": {"N": str(row["id"])}}
            seats.append({"pk": {"S": f"SEAT#{row['pos']}"}, **own, **text})
            continue
        if table == "booking" and row["state"] == "draft":
            continue
        item = bookings.setdefault(row["number"], {"number": {"N": str(row["number"])}})
        if table == "booking":
            item |= {"id": {"N": str(row["id"])}, "state": {"S": row["state"]}, **text}
        elif table == "guest":
            guest = {"kind": {"S": "guest"}, "id": {"N": str(row["id"])}, **text}
            item.setdefault("guests", {"M": {}})["M"][str(row["line"])] = {"M": guest}
        elif table == "remark" and text:
            item.setdefault("remarks", {"M": {}})["M"][str(row["line"])] = text["text"]
        elif text:
            item[f"x_{row['name']}"] = text["text"]
    return {"seats": in_order(seats), "bookings": in_order(bookings.values())}


def visible(books: Bookkeeping, items: Iterable[Item]) -> list[Item]:
    """What is left of items after a sweep: those with a live slot, without bookkeeping and empty maps."""
    live = [item for item in items if any(not mark.endswith("x") for mark in books.slots(item).values())]
    return in_order(
        {name: value for name, value in books.data(item).items() if name not in empty_maps(books, item)}
        for item in live
    )
