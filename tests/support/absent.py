"""A part that a test does not need: whatever is asked of it is not there either."""


class Absent:
    """Takes the place of a broker, a database or a log where only the wiring is looked at."""

    def __getattr__(self, name: str) -> "Absent":
        return self

    def __call__(self, *_arguments: object, **_named: object) -> "Absent":
        return self
