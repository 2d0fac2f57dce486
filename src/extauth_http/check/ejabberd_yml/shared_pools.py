"""``extauth_pool_name``: virtual hosts that share the programs of one pool.

Verified on ejabberd 23.01, 24.12 and 26.07: when ejabberd starts, it starts the
``extauth_program`` of the host whose name comes first in the alphabet, as often as its
``extauth_pool_size``. The other hosts of the pool use these programs, and their own
``extauth_program`` is never started.
"""

import os
from collections.abc import Iterator

from extauth_http.check.ejabberd_yml.host_options import (
    hosts_of_pool,
    location,
    own_extauth_program,
    own_pool_size,
)
from extauth_http.check.ejabberd_yml.parser import EjabberdYml
from extauth_http.check.finding import Finding, broken, good, warning
from extauth_http.check.suggested_lines import yaml_quoted


def total(yml: EjabberdYml) -> Iterator[Finding]:
    """The sum of the pools, if several hosts have pools that one pool could replace."""
    pools = list(dict.fromkeys(tuple(hosts_of_pool(yml, host)) for host in yml.hosts))
    first_hosts = [hosts[0] for hosts in pools if hosts]
    programs = {own_extauth_program(yml, host) for host in first_hosts}
    if len(first_hosts) < 2 or len(programs) > 1:
        return
    sizes = [own_pool_size(yml, host)[0] or os.cpu_count() or 1 for host in first_hosts]
    yield good(
        "pools",
        f"{len(first_hosts)} pools of the same extauth_program have {sum(sizes)} members together. "
        f"If the hosts share one pool, it needs {max(sizes)}",
        details=("extauth_pool_name: shared",),
    )


def findings(yml: EjabberdYml, host: str) -> Iterator[Finding]:
    hosts = hosts_of_pool(yml, host)
    name = yml.option(host, "extauth_pool_name")
    if name is None or len(hosts) == 1:
        return
    first = hosts[0]
    if own_extauth_program(yml, host) != own_extauth_program(yml, first):
        yield broken(
            "pool-name",
            f"{host} shares the pool {name.value.plain} with {first}, so ejabberd starts the "
            f"extauth_program of {first} and never the one of {host}",
            line=yaml_quoted("extauth_pool_name", host),
            place=("host_config", host),
            host=host,
        )
    elif own_pool_size(yml, host)[0] != own_pool_size(yml, first)[0]:
        yield warning(
            "pool-name",
            f"{host} shares the pool {name.value.plain} with {first}, so the extauth_pool_size of "
            f"{first} counts",
            line=yaml_quoted("extauth_pool_name", host),
            place=("host_config", host),
            host=host,
        )
    else:
        yield good(
            "pool-name",
            f"{', '.join(hosts)} share the pool {name.value.plain}",
            host=host,
            **location(name),
        )
