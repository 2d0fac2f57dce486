"""The base of every table of the configuration, and secrets that are read from files.

The text of an error never holds a value, because any value may be a secret.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError


class Section(BaseModel):
    """A table of the configuration: frozen, without unknown keys, and never quoted in errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="wrap")
    @classmethod
    def _suggest_similar_key(cls, data: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        """Names the key that a key without a meaning is similar to."""
        try:
            return validate(data)
        except ValidationError as error:
            raise _with_suggestions(error, cls.model_fields) from None


class WithSecrets(Section):
    """A table with secrets. Each key in ``secrets`` can be given as ``KEY_file`` instead: the value
    is then the content of that file, without the line end at its end."""

    secrets: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _read_secret_files(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        data = dict(data)
        for key in cls.secrets:
            named = data.get(f"{key}_file")
            if named is None:
                continue
            if data.get(key) is not None:
                raise PydanticCustomError("secret", f"expected {key} or {key}_file, not both")
            data[key] = read_secret(f"{key}_file", Path(str(named)))
        return data


def members(value: object) -> Iterable[object]:
    """The values in a table or an array; any other value alone."""
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, tuple | list) else (value,)


class SecretFile(Section):
    """A value that is the content of a file: ``{ file = "/etc/ejabberd/api.key" }``.

    The content is read with the configuration, without the line end at its end.
    """

    file: Path
    _content: SecretStr = PrivateAttr()

    def model_post_init(self, _: object) -> None:
        object.__setattr__(self, "_content", SecretStr(read_secret("file", self.file)))

    @property
    def content(self) -> SecretStr:
        return self._content


def read_secret(key: str, file: Path) -> str:
    """The secret in a file, without the line end at its end.

    Raises PydanticCustomError, which names ``key`` and the file, if the file cannot be read, is
    empty, or does not hold one line of printable UTF-8.
    """
    try:
        text = file.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise PydanticCustomError(
            "secret", f"{key}: cannot read {file}: {error.strerror}"
        ) from None
    except UnicodeDecodeError:
        raise PydanticCustomError("secret", f"{key}: {file} is not UTF-8 text") from None
    if not text:
        raise PydanticCustomError("secret", f"{key}: {file} is empty")
    if not text.isprintable():
        raise PydanticCustomError("secret", f"{key}: {file} holds more than one line of text")
    return text


def secrets_of(section: BaseModel) -> Iterator[str]:
    """Each secret in a table of the configuration and in the tables below it."""
    for _, value in section:
        for each in members(value):
            if isinstance(each, SecretStr):
                yield each.get_secret_value()
            elif isinstance(each, SecretFile):
                yield each.content.get_secret_value()
            elif isinstance(each, BaseModel):
                yield from secrets_of(each)


def _with_suggestions(error: ValidationError, keys: Iterable[str]) -> ValidationError:
    """The same problems. An unknown key of this table names the key that it is similar to."""
    from difflib import get_close_matches  # not imported by a program whose keys are right

    problems: list[InitErrorDetails] = []
    for problem in error.errors(include_url=False, include_input=False):
        message, place = problem["msg"], problem["loc"]
        if problem["type"] == "extra_forbidden" and len(place) == 1:
            similar = get_close_matches(str(place[0]), keys, 1)
            message = f"unknown key; did you mean {similar[0]}?" if similar else message
        kind = PydanticCustomError(problem["type"], message)
        problems.append({"type": kind, "loc": place, "input": None})
    return ValidationError.from_exception_data(error.title, problems)
