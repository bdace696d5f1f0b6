"""What is raised on bytes that cannot be read."""


class Malformed(ValueError):
    """Bytes that are not what they should be. The text says in what, and never shows contents of rows."""


class NoText(Malformed):
    """A column's bytes are no text in its character set. Servers store such, and show something else for it."""
