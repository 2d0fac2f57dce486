"""The options of a virtual host that concern the external program."""

from extauth_http.check.ejabberd_yml.parser import EjabberdYml, Option
from extauth_http.check.finding import Correction, Position
from extauth_http.check.suggested_lines import yaml_list, yaml_quoted


def uses_external(yml: EjabberdYml, host: str) -> bool:
    """Whether ejabberd asks an external program about this host at all."""
    method = yml.option(host, "auth_method")
    return bool(method and "external" in method.value.words)


def hosts_of_pool(yml: EjabberdYml, host: str) -> list[str]:
    """The virtual hosts whose logins go to the same programs.

    They are in the order in which ejabberd starts the pools, up to 32 hosts: that of the bytes.
    """
    name = _pool_name(yml, host)
    hosts = [each for each in yml.hosts if uses_external(yml, each)]
    return sorted((each for each in hosts if _pool_name(yml, each) == name), key=str.encode)


def extauth_program(yml: EjabberdYml, host: str) -> str | None:
    """The command line that ejabberd starts for a host: that of the first host of its pool. None
    if it is not set."""
    return own_extauth_program(yml, _starting_host(yml, host))


def own_extauth_program(yml: EjabberdYml, host: str) -> str | None:
    """The command line in ``extauth_program`` of the host itself; None if it is not set."""
    option = yml.option(host, "extauth_program")
    return str(option.value.plain) if option and option.value.plain else None


def extauth_program_yaml(command_line: str) -> str:
    """The line of YAML that sets ``extauth_program``."""
    return yaml_quoted("extauth_program", command_line)


def pool_size(yml: EjabberdYml, host: str) -> tuple[int | None, Option | None]:
    """The configured number of members of the pool of a host, and its option.

    The number is None if it is not set: ejabberd then starts one member per CPU core.
    """
    return own_pool_size(yml, _starting_host(yml, host))


def own_pool_size(yml: EjabberdYml, host: str) -> tuple[int | None, Option | None]:
    """The same for the options of the host itself."""
    option = yml.option(host, "extauth_pool_size") or yml.option(host, "extauth_instances")
    size = option.value.plain if option else None
    return (size if isinstance(size, int) and size > 0 else None), option


def _starting_host(yml: EjabberdYml, host: str) -> str:
    """The host whose options start the programs of a pool."""
    return next(iter(hosts_of_pool(yml, host)), host)


def _pool_name(yml: EjabberdYml, host: str) -> str:
    option = yml.option(host, "extauth_pool_name")
    return str(option.value.plain) if option else host


def location(option: Option | None) -> Position:
    """The fields of a finding whose line replaces this option."""
    return {"where": option.value.where, "place": option.place} if option else {}


def replacement(part: Option, name: str, words: list[str]) -> Correction:
    """The fields of a finding whose line replaces one part of a list of words.

    ``append_host_config`` cannot empty a list, so an appended part is to be removed instead.
    """
    if part.is_appended and not words:
        host = part.place[1]
        detail = f"remove {name} from append_host_config for {host}"
        return {"where": part.value.where, "details": (detail,)}
    line = yaml_list(name, words)
    return {"where": part.value.where, "place": part.place, "line": line}
