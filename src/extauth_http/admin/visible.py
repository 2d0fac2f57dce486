"""What others chose, made fit to be shown: a resource or a nick is whatever its owner wanted."""


def visible(text: str) -> str:
    """A text in one line, without what a terminal would take for a command and without what turns
    the direction of writing."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)
