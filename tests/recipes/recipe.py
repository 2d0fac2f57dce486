"""The recipes of ``docs/recipes.md``, for services on loopback."""

import re
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from extauth_http.backends.registry import backend_of_kind
from extauth_http.config.settings import Settings
from extauth_http.program.decider import Decider
from extauth_http.protocol.command import Command, Operation

PAGE = Path(__file__).parents[2] / "docs" / "recipes.md"
SECRET = "our-own-secret-of-more-than-32-bytes"


def recipes() -> dict[str, str]:
    """The TOML of each recipe, by its heading."""
    sections = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]
    return {
        section.partition("\n")[0]: re.findall(r"```toml\n(.*?)```", section, re.DOTALL)[0]
        for section in sections
    }


class Recipe:
    """The backend of a recipe, whose service is at ``url``. ``secret`` is ours."""

    def __init__(
        self,
        name: str,
        url: str,
        folder: Path,
        secret: str = SECRET,
        names: Mapping[str, str] | None = None,
    ) -> None:
        """``names`` are texts of the recipe to replace, such as the name of the client."""
        text = recipes()[name]
        for old, new in (names or {}).items():
            assert old in text
            text = text.replace(old, new)
        text = re.sub(r"http\+unix://[^/\"]+|https?://[^/\"]+", _Replace(url), text)
        for file in re.findall(r'(?:_|\b)file = "([^"]+)"', text):
            content = folder / Path(file).name
            content.write_text(secret + "\n")
            text = text.replace(file, str(content))
        self.issuer = tomllib.loads(text)["backend"].get("issuer", "")
        settings = Settings.model_validate(tomllib.loads(text), context=backend_of_kind)
        self._decider = Decider(settings)

    def login(self, user: str, password: str, host: str = "example.org") -> tuple[str, str]:
        """The verdict and the reason."""
        command = Command(Operation.AUTH, user, host, password)
        answer = self._decider.decide(command, time.monotonic() + 10, "id").answer
        return answer.verdict.value, answer.reason

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._decider.close()


class _Replace:
    """Replaces URLs, except names of claims and audiences, which are URLs too."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __call__(self, found: "re.Match[str]") -> str:
        before = found.string[: found.start()].rpartition("\n")[2]
        is_place = re.match(r"(url|issuer|\w+_url) = \"$", before)
        return self._url if is_place else found[0]
