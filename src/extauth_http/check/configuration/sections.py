"""The tables of a configuration, as pydantic models."""

from collections.abc import Iterable, Iterator

from pydantic import BaseModel

from extauth_http.config.section import members
from extauth_http.config.settings import Settings


def sections_of(settings: Settings) -> Iterator[BaseModel]:
    """The table of each backend and all tables inside it."""
    return _nested(settings.backends().values())


def _nested(sections: Iterable[BaseModel]) -> Iterator[BaseModel]:
    for section in sections:
        yield section
        yield from _nested(
            each for _, value in section for each in members(value) if isinstance(each, BaseModel)
        )
