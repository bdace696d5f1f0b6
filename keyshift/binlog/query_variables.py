"""What MySQL logs beside the text of a statement: variables of its session, and where it has changed tables."""

from typing import Final

from keyshift.binlog.packets import LOAD_QUERY_EXTRA, QUERY_HEAD

# A statement's variables: how many bytes each takes, or how many texts with their length before them.
_FIXED_VARIABLES: Final = {0: 4, 1: 8, 3: 4, 4: 6, 7: 2, 8: 2, 9: 8, 10: 4, 13: 3, 128: 3, 129: 8}
_TEXT_VARIABLES: Final = {5: 1, 6: 1, 11: 2}
_UPDATED_DATABASES, _TOO_MANY_DATABASES = 12, 254
EVERY: Final = "*"  # no database has this name: it stands for all of them


def updated_databases(content: bytes, *, loads: bool = False) -> tuple[str, ...]:
    """The databases in which a QUERY event's statement has changed tables, also by triggers, functions and views.

    () where the server does not say (MariaDB), EVERY where they are too many to be listed. `loads`: it is the event of
    a LOAD DATA. Source: MySQL's Query_event, Q_UPDATED_DB_NAMES.
    """
    _, size = QUERY_HEAD.unpack_from(content)
    begin = QUERY_HEAD.size + (LOAD_QUERY_EXTRA if loads else 0)
    variables = content[begin : begin + size]
    at = 0
    while at < len(variables):
        code, at = variables[at], at + 1
        if code == _UPDATED_DATABASES:
            count = variables[at]
            if count == _TOO_MANY_DATABASES:
                return (EVERY,)
            names = variables[at + 1 :].split(b"\0")[:count]
            return tuple(name.decode("utf-8", "backslashreplace") for name in names)
        if code in _FIXED_VARIABLES:
            at += _FIXED_VARIABLES[code]
        elif code in _TEXT_VARIABLES:
            for _ in range(_TEXT_VARIABLES[code]):
                at += 1 + variables[at]
        else:
            return ()  # of a later version; what we look for comes before
    return ()
