"""What ``init`` prints at its end: the lines for ejabberd.yml, and the next commands."""

from pathlib import Path

from extauth_http.check.ejabberd_yml.host_options import extauth_program_yaml
from extauth_http.check.program.command_line import suggested_program
from extauth_http.check.suggested_lines import toml_text, yaml_list

POOL_SIZE = 8


def ejabberd_lines(config: Path, hosts: tuple[str, ...]) -> str:
    """``hosts`` are the virtual hosts of the configuration; empty for all."""
    options = [
        yaml_list("auth_method", ["external"]),
        extauth_program_yaml(suggested_program(config)),
        f"extauth_pool_size: {POOL_SIZE}",
        "auth_use_cache: false",
    ]
    if hosts:
        lines = ["host_config:"]
        for host in hosts:
            lines += [f"  {toml_text(host)}:", *(f"    {line}" for line in options)]
    else:
        lines = options
    return "\n".join(
        [
            "Set these options in ejabberd.yml:",
            "",
            *(f"  {line}" for line in lines),
            "",
            "Then:",
            "",
            "  extauth-http check --ejabberd-yml /etc/ejabberd/ejabberd.yml --user USER@HOST",
            "  ejabberdctl reload_config",
        ]
    )
