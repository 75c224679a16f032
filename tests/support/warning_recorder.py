"""A function that records the texts of its calls."""


class WarningRecorder(list[str]):
    """A list that appends the argument of each call."""

    def __call__(self, text: str) -> None:
        self.append(text)
