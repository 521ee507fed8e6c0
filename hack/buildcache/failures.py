"""The one exception of the builders; its text is the sentence a person reads."""


class BuildError(Exception):
    """Something cannot be built; the text says what to do about it."""
