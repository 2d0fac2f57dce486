"""Which listeners are a risk for passwords, and which are not."""

from pathlib import Path

import pytest
import yaml

from extauth_http.check.ejabberd_yml import listeners
from extauth_http.check.ejabberd_yml.parser import EjabberdYml

C2S = {"port": 5222, "module": "ejabberd_c2s"}
HTTP = {"port": 5280, "module": "ejabberd_http"}
MQTT = {"port": 1883, "module": "mod_mqtt"}

LISTENERS: list[tuple[dict[str, object], set[str]]] = [
    (C2S, {"listener-plain"}),
    (C2S | {"starttls": True}, {"listener-plain"}),
    (C2S | {"starttls": False, "tls": False}, {"listener-plain"}),
    (C2S | {"starttls_required": False}, {"listener-plain"}),
    (C2S | {"ip": "0.0.0.0"}, {"listener-plain"}),
    (C2S | {"ip": "192.0.2.1"}, {"listener-plain"}),
    (C2S | {"starttls_required": True}, set()),
    (C2S | {"starttls_required": "yes"}, set()),
    (C2S | {"tls": True}, set()),
    (C2S | {"ip": "127.0.0.1"}, set()),
    (C2S | {"ip": "::1"}, set()),
    (C2S | {"ip": "::FFFF:127.0.0.1"}, set()),
    (C2S | {"ip": "::ffff:7f00:2"}, set()),
    (C2S | {"ip": "::ffff:192.0.2.1"}, {"listener-plain"}),
    (C2S | {"port": "unix:/run/ejabberd.sock"}, set()),
    (C2S | {"tls": True, "tls_verify": True}, {"client-certificates"}),
    (C2S | {"starttls_required": True, "tls_verify": "y"}, {"client-certificates"}),
    (C2S | {"ip": "127.0.0.1", "tls_verify": True}, {"client-certificates"}),
    (C2S | {"tls": True, "tls_verify": False}, set()),
    (HTTP, set()),
    (HTTP | {"request_handlers": {"/api": "mod_http_api"}}, set()),
    (HTTP | {"request_handlers": {"/ws": "ejabberd_http_ws"}}, {"listener-http"}),
    (HTTP | {"tls": False, "request_handlers": {"/bosh": "mod_bosh"}}, {"listener-http"}),
    (HTTP | {"request_handlers": {"/mqtt": "mod_mqtt"}}, {"listener-http"}),
    (HTTP | {"tls": True, "request_handlers": {"/ws": "ejabberd_http_ws"}}, set()),
    (HTTP | {"ip": "127.0.0.1", "request_handlers": {"/ws": "ejabberd_http_ws"}}, set()),
    (MQTT, {"listener-mqtt"}),
    (MQTT | {"tls": True}, set()),
    (MQTT | {"ip": "::1"}, set()),
    ({"port": 5269, "module": "ejabberd_s2s_in"}, set()),
]


def found(folder: Path, **options: object) -> dict[str, str]:
    file = folder / "ejabberd.yml"
    file.write_text(yaml.safe_dump({"hosts": ["a.org", "b.org"], **options}))
    return {each.id: each.line for each in listeners.findings(EjabberdYml(file))}


@pytest.mark.parametrize(("listener", "ids"), LISTENERS)
def test_a_listener_without_tls_or_with_client_certificates_is_a_warning(
    tmp_path: Path, listener: dict[str, object], ids: set[str]
) -> None:
    assert found(tmp_path, listen=[listener]).keys() - {"listeners"} == ids


@pytest.mark.parametrize(("listener", "ids"), LISTENERS)
def test_its_line_fixes_it(tmp_path: Path, listener: dict[str, object], ids: set[str]) -> None:
    for line in found(tmp_path, listen=[listener]).values():
        listener = listener | (yaml.safe_load(line) or {} if line else {})
    assert found(tmp_path, listen=[listener]).keys() == {"listeners"}


@pytest.mark.parametrize(
    ("options", "closed"),
    [
        ({"disable_sasl_mechanisms": ["external"]}, True),
        ({"host_config": {"a.org": {"disable_sasl_mechanisms": ["EXTERNAL"]}}}, False),
    ],
)
def test_client_certificates_are_harmless_if_every_host_disables_external(
    tmp_path: Path, options: dict[str, object], closed: bool
) -> None:
    listener = C2S | {"tls": True, "tls_verify": True}
    assert ("client-certificates" not in found(tmp_path, listen=[listener], **options)) == closed


LOCAL = ["127.0.0.1", "127.1.2.3", "::1", "::FFFF:127.0.0.1", "::ffff:7f00:1"]
REMOTE = ["0.0.0.0", "::", "192.0.2.1", "::ffff:192.0.2.1", "::ffff:0.0.0.0"]


@pytest.mark.parametrize("listener", [C2S, MQTT, HTTP | {"request_handlers": {"/ws": "mod_bosh"}}])
def test_a_loopback_address_is_one_in_every_notation(
    tmp_path: Path, listener: dict[str, object]
) -> None:
    for ip in LOCAL:
        assert found(tmp_path, listen=[listener | {"ip": ip}]).keys() == {"listeners"}
    for ip in REMOTE:
        assert "listeners" not in found(tmp_path, listen=[listener | {"ip": ip}])
