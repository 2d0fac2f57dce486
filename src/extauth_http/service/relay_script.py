"""``extauth-http relay --print-script``: the relay as one file that needs only Python.

For a machine or an image that runs ejabberd and has no other package of Python. The script is the
source of the relay and of its arguments, so it does what ``extauth-http relay`` does.
"""

from importlib.metadata import version
from importlib.resources import files

MODULES = ("relay", "relay_arguments")
"""The modules of the script, in the order of their imports. They import only the standard library
and each other."""

OWN_IMPORT = "from extauth_http."

HEAD = '''#!/usr/bin/python3 -IS
"""The relay of extauth-http {version}: a pool member of ejabberd that passes packets to a service.

Printed by ``extauth-http relay --print-script``. It needs Python 3.11 or later and no package.
"""
'''

TAIL = '''
USAGE = (
    "usage: extauth-http-relay [--socket PATH] [--dialect ejabberd|boolean] [--deadline SECONDS]"
)


def main() -> int:
    """Runs the relay. Returns 0, or 2 for a usage error."""
    options = parse_arguments(sys.argv[1:])
    if options is None:
        print(USAGE, file=sys.stderr)
        return 2
    Relay(*options).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
'''


def relay_script() -> str:
    """The text of the script."""
    package = files("extauth_http.service")
    sources = [package.joinpath(f"{name}.py").read_text(encoding="utf-8") for name in MODULES]
    lines = [
        line
        for source in sources
        for line in source.splitlines(keepends=True)
        if not line.startswith(OWN_IMPORT)
    ]
    head = HEAD.format(version=version("extauth-http"))
    return head + "\nimport sys\n\n" + "".join(lines) + TAIL
