"""TODO."""

from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """A table of the configuration: frozen, no unknown keys, nothing of it in error texts."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class WithSecrets(Section):
    """A table in which each key named in ``secrets`` may be given as ``KEY_file`` instead: the
    file's content, without the line end, is the value."""

    secrets: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _read_files(cls, data: Any) -> Any:
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


def read_secret(key: str, file: Path) -> str:
    """The secret in a file, without the line end."""
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
