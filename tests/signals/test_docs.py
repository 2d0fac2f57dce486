"""``docs/signals.md`` lists each reason, metric and key, and shows a configuration that works."""

import re
from pathlib import Path

from pydantic import BaseModel

from extauth_http.signals.issuer_settings import IssuerSettings, ResolveSettings
from extauth_http.signals.metrics import Metrics
from extauth_http.signals.queue_entry import Summary
from extauth_http.signals.rejection import Reason
from extauth_http.signals.settings import (
    SignalsSettings,
    SweepSettings,
    WebhookSettings,
    load_signals,
)

PAGE = (Path(__file__).parents[2] / "docs" / "signals.md").read_text()
SECTIONS = {"log", "webhook", "sweep", "issuer", "resolve", "tls", "client_credentials"}


def first_column(heading: str) -> str:
    _, found, after = PAGE.partition(f"\n{heading}\n")
    assert found, heading
    rows = re.split(r"\n#", after)[0].splitlines()
    return "\n".join(row.split(" | ")[0] for row in rows if row.startswith("| `"))


def test_each_reason_is_listed() -> None:
    assert set(re.findall("`([^`]+)`", first_column("## Reasons"))) == {
        reason.value for reason in Reason
    }


def test_each_metric_is_listed() -> None:
    text = Metrics().text(Summary(0, 0, 0, 0.0)).decode()
    names = set(re.findall(r"^# HELP (\S+)", text, re.MULTILINE))
    names -= {name for name in names if name.endswith("_created")}
    listed = set()
    for word in re.findall("`([^`]+)`", first_column("## Metrics")):
        listed.add(word.replace("…", "extauth_http_signals"))
    assert {name.removesuffix("_total") for name in listed} == {
        name.removesuffix("_total") for name in names
    }


def test_each_key_is_listed() -> None:
    def keys(model: type[BaseModel]) -> set[str]:
        return {name for name in model.model_fields if name not in SECTIONS}

    models: dict[str, type[BaseModel]] = {
        "### `[signals]`": SignalsSettings,
        "### `[signals.sweep]`": SweepSettings,
        "### `[signals.webhook]`": WebhookSettings,
        "### `[[signals.issuer]]`": IssuerSettings,
    }
    for heading, model in models.items():
        listed = set(re.findall("`([^`.]+)`", first_column(heading)))
        missing = keys(model) - listed
        assert missing - keys(ResolveSettings) == set(), heading


def test_the_configuration_can_be_copied(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(\[signals\].*?)```", PAGE, re.DOTALL)
    token = tmp_path / "webhook.token"
    token.write_text("a-token-of-the-webhook\n")
    file = tmp_path / "extauth-http.toml"
    api = '[ejabberd]\napi = "http://127.0.0.1:5443/api"\n'
    file.write_text(api + text.replace("/etc/extauth-http/webhook.token", str(token)))
    settings, _ = load_signals(file)
    assert settings.webhook
    assert settings.issuer
