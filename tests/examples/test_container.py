"""The files for containers: valid by their schemas, and consistent with each other."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from extauth_http.backends.registry import load

FOLDER = Path(__file__).parents[2] / "examples" / "container"
SOCKET = "/run/extauth-http/port.sock"


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


def test_compose_yaml_is_valid() -> None:
    words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    subprocess.run([*words, str(FOLDER / "compose.yaml")], check=True, capture_output=True)


@pytest.mark.parametrize("number", range(2))
def test_each_kubernetes_object_is_valid(number: int) -> None:
    found = documents("kubernetes.yaml")
    assert len(found) == 2
    kubernetes_validate.validate(found[number], kubernetes_validate.latest_version(), strict=True)


def test_an_invalid_kubernetes_object_is_found() -> None:
    changed = json.loads(json.dumps(documents("kubernetes.yaml")[0]))
    changed["spec"]["template"]["spec"]["containers"][0]["imag"] = "x"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(changed, kubernetes_validate.latest_version(), strict=True)


def test_the_containers_of_kubernetes_run_without_root_and_share_the_socket() -> None:
    spec = documents("kubernetes.yaml")[0]["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"]
    for container in spec["containers"]:
        own = container["securityContext"]
        assert own["runAsUser"] in (9000, 9001)
        assert not own["allowPrivilegeEscalation"]
        assert "/run/extauth-http" in [mount["mountPath"] for mount in container["volumeMounts"]]


def test_serve_and_ejabberd_use_the_same_socket() -> None:
    relay = documents("ejabberd.yml")[0]["extauth_program"]
    assert relay.endswith(f"--socket {SOCKET}")
    assert SOCKET in (FOLDER / "Containerfile.serve").read_text()
    assert (
        SOCKET
        in documents("kubernetes.yaml")[0]["spec"]["template"]["spec"]["containers"][0]["args"]
    )


def test_the_configuration_can_be_loaded() -> None:
    assert load(FOLDER / "extauth-http.toml").backends()
