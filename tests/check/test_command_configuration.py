"""Which configuration ``check`` reads, and which one ejabberd uses."""

import json
from pathlib import Path
from typing import Any

import yaml

from tests.check.checking import check
from tests.integration.program import EXECUTABLE


def bad_ids(checked: Any) -> set[str]:
    findings = json.loads(checked.stdout)["findings"]
    return {each["id"] for each in findings if each["level"] != "good"}


def line_of(checked: Any, identity: str) -> Any:
    findings = json.loads(checked.stdout)["findings"]
    (finding,) = [each for each in findings if each["id"] == identity]
    assert finding["where"]
    return yaml.safe_load(finding["line"])["extauth_program"]


def yml_line(yml: Path) -> str:
    return str(yaml.safe_load(yml.read_text())["extauth_program"])


def test_a_configuration_that_ejabberd_does_not_use_is_a_warning(
    yml: Path, config: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.toml"
    other.write_text(config.read_text())
    checked = check("--config", other, "--ejabberd-yml", yml, "--json")
    assert bad_ids(checked) == {"config-other"}
    assert line_of(checked, "config-other") == yml_line(yml).replace(str(config), str(other))
    assert bad_ids(check("--config", config, "--ejabberd-yml", yml, "--json")) == set()


def test_a_relative_path_of_the_configuration_is_a_warning(yml: Path, config: Path) -> None:
    text = yml.read_text()
    yml.write_text(text.replace(str(config), str(config).lstrip("/")))
    checked = check("--ejabberd-yml", yml, "--json")
    assert bad_ids(checked) == {"config-relative"}
    # It is relative to the folder that check runs in.
    relative = str(config).lstrip("/")
    assert line_of(checked, "config-relative") == yml_line(yml).replace(
        relative, str(Path(relative).absolute())
    )


def test_a_relay_uses_the_configuration_of_its_service(yml: Path, config: Path) -> None:
    text = yml.read_text()
    relay = text.replace(f"--config {config}", "relay --socket /nowhere --deadline 1")
    yml.write_text(relay)
    assert "config-of-service" in bad_ids(check("--ejabberd-yml", yml, "--json"))
    with_it = check("--config", config, "--ejabberd-yml", yml, "--json")
    assert bad_ids(with_it) == {"program-undecided"}
    assert "config-valid" in with_it.stdout
    assert "config-readable" not in with_it.stdout  # ejabberd does not read it


def test_another_program_is_checked_without_our_configuration(yml: Path, tmp_path: Path) -> None:
    yml.write_text(yml.read_text().replace(str(EXECUTABLE), "/nowhere/check.pl"))
    checked = check("--ejabberd-yml", yml, "--json")
    assert bad_ids(checked) == {"program-cannot-start"}
    assert "program-other" in checked.stdout
    assert "config-" not in checked.stdout


def test_the_service_is_checked_even_if_ejabberd_yml_is_invalid(yml: Path, config: Path) -> None:
    yml.write_text("hosts: [")
    checked = check("--config", config, "--ejabberd-yml", yml, "--json")
    assert bad_ids(checked) == {"ejabberd-yml"}
    assert "backend-refuses" in checked.stdout
