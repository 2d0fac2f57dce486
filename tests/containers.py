"""The Debian images of ``examples/container``, built and run: ``make containers``.

buildah builds them on a Debian made by debootstrap, without a registry of images. `serve` and
ejabberd run as two containers that share the socket, and a slixmpp client logs in. Needs root,
buildah and debootstrap. The isolation is chroot: the containers have the network of this machine.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.debian_root import debian_root, require_root_and_debootstrap
from tests.e2e.ejabberd import free_ports
from tests.e2e.xmpp import LoginRefusedError, logs_in
from tests.fresh import PIP_CONFIGURATION, pip_environment, pip_paths
from tests.token_service import token_service

PROJECT = Path(__file__).parents[1]
EXAMPLES = PROJECT / "examples" / "container"
CACHE = PROJECT / ".cache" / "containers"
BASE = "localhost/extauth-base"
START_SECONDS = 60.0
EJABBERD, SERVE = (9000, 9000), (9001, 9000)
"""The accounts in the images: user ID and group ID."""

# Without a container engine there is no other isolation, and overlayfs may be missing.
ENVIRONMENT = {**os.environ, "BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs"}


@dataclass
class Server:
    """Where ejabberd listens for clients."""

    c2s_port: int


def buildah(*words: str | Path) -> str:
    done = subprocess.run(
        ["buildah", *map(str, words)], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"buildah {words[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout.strip()


def make_base() -> None:
    """The image of a minimal Debian, in place of the one of a registry."""
    root = debian_root("trixie", ("ca-certificates",), CACHE)
    # A mirror may be a copy of an earlier day, whose lists of packages have expired.
    apt = 'Acquire::Check-Valid-Until "false";\n'
    (root / "etc/apt/apt.conf.d/80expired").write_text(apt)
    container = buildah("from", "scratch")
    buildah("add", "--quiet", container, root, "/")
    buildah("commit", "--quiet", "--rm", container, BASE)


def build(name: str, file: str, context: Path) -> None:
    """Builds an image with the pip configuration of this machine, which the image does not keep."""
    folders = {path for path in pip_paths() if path.exists()}
    files = {path for path in PIP_CONFIGURATION if path.exists()}
    mounts = [f"--volume={path}:{path}:ro" for path in sorted(folders | files)]
    variables = [f"--build-arg={key}={value}" for key, value in pip_environment().items()]
    arguments = [f"--build-arg=BASE={BASE}", *variables, *mounts]
    print(f"containers: build {name}", flush=True)
    buildah("build", "--quiet", *arguments, "-f", EXAMPLES / file, "-t", name, context)


@contextmanager
def container(
    image: str, account: tuple[int, int], mounts: dict[Path, str], log: Path
) -> Iterator[None]:
    """Runs the command of an image until the end of the ``with``."""
    config = json.loads(buildah("inspect", "--type", "image", image))["OCIv1"]["config"]
    command = [*config["Entrypoint"], *config["Cmd"]]
    name = buildah("from", image)
    volumes = [f"--volume={source}:{target}" for source, target in mounts.items()]
    user = f"--user={account[0]}:{account[1]}"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["buildah", "run", user, *volumes, name, "--", *command],
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)
        buildah("rm", name)


def wait_for_login(server: Server, jid: str, password: str) -> None:
    """Waits until a login succeeds, which needs both containers."""
    end = time.monotonic() + START_SECONDS
    while True:
        problem = "the password was refused"
        try:
            if logs_in(server, jid, password):
                return
        except LoginRefusedError as error:
            problem = str(error)
        if time.monotonic() > end:
            sys.exit(f"containers: {jid} could not log in: {problem}")
        time.sleep(0.5)


def try_images(folder: Path) -> None:
    """Raises AssertionError if a wrong or revoked password is accepted."""
    (c2s_port,) = free_ports(1)
    server = Server(c2s_port)
    socket = folder / "socket"
    socket.mkdir()
    os.chown(socket, *SERVE)
    socket.chmod(0o750)
    folder.chmod(0o755)
    with token_service(folder) as service, ExitStack() as running:
        config, yml = folder / "extauth-http.toml", folder / "ejabberd.yml"
        text = (EXAMPLES / "extauth-http.toml").read_text()
        config.write_text(text.replace("http://127.0.0.1:8080/xmpp", service.url))
        yml.write_text((EXAMPLES / "ejabberd.yml").read_text().replace("5222", str(c2s_port)))
        for name, account, mounts in (
            ("extauth-http-serve", SERVE, {config: "/etc/extauth-http/extauth-http.toml"}),
            ("ejabberd-extauth", EJABBERD, {yml: "/etc/ejabberd/ejabberd.yml"}),
        ):
            mounts[socket] = "/run/extauth-http"
            running.enter_context(container(name, account, mounts, folder / f"{name}.log"))
        service.add("alice@example.org", "wonder:land")
        wait_for_login(server, "alice@example.org", "wonder:land")
        assert not logs_in(server, "alice@example.org", "wrong")
        service.remove("alice@example.org")
        assert not logs_in(server, "alice@example.org", "wonder:land")


def main() -> None:
    require_root_and_debootstrap("containers")
    if not shutil.which("buildah"):
        sys.exit("containers: needs buildah: apt-get install buildah")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_base()
        wheel = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
        subprocess.run([*wheel, "--directory", folder / "dist"], cwd=PROJECT, check=True)
        build("extauth-http-serve", "Containerfile.serve", folder)
        relay = Path(sys.executable).with_name("extauth-http")
        script = subprocess.run([relay, "relay", "--print-script"], capture_output=True, check=True)
        (folder / "extauth-http-relay").write_bytes(script.stdout)
        build("ejabberd-extauth", "Containerfile.ejabberd-debian", folder)
        try_images(folder)
    print("containers: a client logged in through both images, and not with a wrong password")


if __name__ == "__main__":
    main()
