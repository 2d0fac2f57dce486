"""Text from outside (user names, nicks, file contents, server messages), safe for a terminal.

The only escaping rule of the program: each character that Python does not call printable
(``str.isprintable``, Unicode categories Cc, Cf, Cs, Co, Cn, Zl, Zp and Zs except the space) becomes
U+FFFD. This includes escape sequences, C1 control characters, bidirectional controls and lone
surrogates.
"""

REPLACEMENT = "\ufffd"


def printable(text: str) -> str:
    """The text on one line; a line end is replaced, too."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else REPLACEMENT for each in text)


def printable_lines(text: str) -> str:
    """The text with its line ends (``\\n`` only), each line printable."""
    return "\n".join(map(printable, text.split("\n")))
