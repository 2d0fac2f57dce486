"""The arguments of ``extauth-http init``."""

import argparse
from pathlib import Path

from extauth_http.init.kinds import KINDS, SERVICE_AUTH
from extauth_http.init.options import InitOptions
from extauth_http.terminal.error_message import print_error

VALUES = {
    "url": "URL of the service or of the endpoint",
    "issuer": "URL of the identity provider; the endpoint is found by discovery",
    "client_id": "client ID of this program at the provider",
    "audience": "audience that a token must have",
    "username_claim": "claim with the user name",
    "file": "file with the users, for htpasswd",
}
"""Keys of the backend's table that have an option each."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Write a configuration. init asks for the service, tries the answers against it, writes "
        "the file of --config, and prints the lines for ejabberd.yml. Each option is the default "
        "of a question, or the answer with --non-interactive. A new secret is read from the "
        "terminal or from standard input."
    )
    parser.add_argument(
        "--non-interactive", action="store_true", help="ask nothing; the options are the answers"
    )
    parser.add_argument(
        "--kind", choices=list(KINDS), default="rest", help="kind of service (default: %(default)s)"
    )
    for key, text in VALUES.items():
        metavar = "URL" if key in ("url", "issuer") else "TEXT"
        parser.add_argument(f"--{key.replace('_', '-')}", default="", metavar=metavar, help=text)
    parser.add_argument(
        "--service-auth",
        choices=list(SERVICE_AUTH),
        default="none",
        help="how this program authenticates to the service, for rest and mongooseim (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--username", default="", metavar="NAME", help="user name for --service-auth basic"
    )
    parser.add_argument(
        "--header-name",
        default="",
        metavar="NAME",
        help="name of the header for --service-auth header, such as X-Api-Key",
    )
    parser.add_argument(
        "--secret-file",
        type=Path,
        metavar="FILE",
        help="file of the secret; it is created if it does not exist (default: "
        "extauth-http.secret beside the configuration)",
    )
    parser.add_argument(
        "--host",
        action="append",
        default=[],
        metavar="HOST",
        help="virtual host that uses this service; can be repeated (default: all hosts)",
    )
    parser.add_argument(
        "--log-file", type=Path, metavar="FILE", help="log of the program (default: standard error)"
    )
    parser.add_argument(
        "--run-as", metavar="ACCOUNT", help="account that ejabberd runs as (default: ejabberd)"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an existing configuration"
    )
    parser.add_argument(
        "--skip-test", action="store_true", help="do not try the answers against the service"
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from extauth_http.init.command import init
    from extauth_http.init.files import InitError

    options = InitOptions(
        config=arguments.config,
        kind=arguments.kind,
        values={key: getattr(arguments, key) for key in VALUES},
        hosts=tuple(arguments.host),
        service_auth=arguments.service_auth,
        username=arguments.username,
        secret_file=arguments.secret_file,
        header_name=arguments.header_name,
        log_file=arguments.log_file,
        run_as=arguments.run_as,
        non_interactive=arguments.non_interactive,
        overwrite=arguments.overwrite,
        skip_test=arguments.skip_test,
    )
    try:
        return init(options)
    except InitError as error:
        return print_error(str(error))
