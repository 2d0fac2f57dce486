"""Where ``extauth-http`` starts: a relay without delay, everything else by way of ``cli.py``."""

import sys


def main() -> int:
    """Runs the command line and returns the exit code."""
    if sys.argv[1:2] == ["relay"]:
        from extauth_http.service.relay import Relay, options

        # One runs for each pool member: a parser of arguments would be half of it.
        if chosen := options(sys.argv[2:]):
            Relay(*chosen).run()
            return 0
    from extauth_http.cli import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
