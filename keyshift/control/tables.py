"""How a captured table is written in the name of an item."""


def escape(table: str) -> str:
    """A table's name without '#', which may be part of one in MySQL, and separates in items' names."""
    return table.replace("%", "%25").replace("#", "%23")


def scope(table: str, generation: str) -> str:
    """A table in one of its generations. `%@` is in no escaped name, so no table is taken for another."""
    return f"{escape(table)}%@{generation}" if generation else escape(table)


def unscoped(scope: str) -> str:
    """The escaped name of the table of a scope."""
    return scope.partition("%@")[0]
