"""Command-line arguments with a limited form."""

from argparse import ArgumentTypeError

import pytest

from extauth_http.terminal.argument_types import argument_type, whole_number


@pytest.mark.parametrize("text", ["1", "7", "010", "10"])
def test_a_number_within_its_limits_is_accepted(text: str) -> None:
    assert whole_number("processes", 10)(text) == int(text)


@pytest.mark.parametrize(
    "text", ["", "0", "11", "-1", "1.5", " 1", "1_0", "two", "\u0661", "9" * 5000]
)
def test_anything_else_is_an_error_that_names_the_limits(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=r"^expected 1 to 10 processes, not "):
        whole_number("processes", 10)(text)


def test_a_number_can_have_no_upper_limit() -> None:
    assert whole_number("clients")("1000000") == 1_000_000
    with pytest.raises(ArgumentTypeError, match=r"^expected 1 or more clients, not '0'$"):
        whole_number("clients")("0")


def test_the_sentence_of_a_parser_becomes_the_error_of_the_argument() -> None:
    def parse(text: str) -> int:
        raise ValueError(f"expected nothing, not {text}")

    with pytest.raises(ArgumentTypeError, match=r"^expected nothing, not x$"):
        argument_type(parse)("x")
    assert argument_type(str)("x") == "x"
