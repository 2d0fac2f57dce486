"""The start of ``extauth-http``: a short path for a relay, ``cli.py`` for everything else."""

import gc
import sys


def main() -> int:
    """Runs the command line and returns the exit code."""
    if sys.argv[1:2] == ["relay"]:
        # One relay runs for each pool member. argparse would double its memory.
        from extauth_http.service.relay_arguments import parse_arguments

        options = parse_arguments(sys.argv[2:])
        if options:
            from extauth_http.service.relay import Relay

            Relay(*options).run()
            return 0
    # The imports create many objects that stay. A search for garbage among them delays the
    # first reply. Afterwards there is little garbage to find.
    gc.set_threshold(50_000)
    from extauth_http.cli import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
