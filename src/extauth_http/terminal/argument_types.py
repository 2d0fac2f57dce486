"""Types of command-line arguments. argparse shows the text of an ArgumentTypeError to the user."""

from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def argument_type(parse: Callable[[str], T]) -> Callable[[str], T]:
    """An argparse type from a parser that raises ValueError with a sentence."""

    def parse_argument(text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from None

    return parse_argument


def whole_number(unit: str, maximum: int | None = None) -> Callable[[str], int]:
    """An argparse type for 1 to ``maximum``. ``unit`` is a plural such as ``processes``."""

    def parse(text: str) -> int:
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else 0
        if number < 1 or (maximum and number > maximum):
            limits = f"1 to {maximum}" if maximum else "1 or more"
            raise ValueError(f"expected {limits} {unit}, not {text!r}")
        return number

    return argument_type(parse)
