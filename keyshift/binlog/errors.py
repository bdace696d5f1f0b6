"""What is raised on bytes that cannot be read."""


class Malformed(ValueError):
    """Bytes that are not what they should be. The text says in what, and never shows contents of rows."""
