"""Backends of an installed package, created in a folder for a test."""

from pathlib import Path

SOURCE = '''
import importlib, logging, os, subprocess, sys, threading, time
from extauth_http import Answer, Backend, BackendSettings, Command, HttpClient
from extauth_http import UndecidedError, Verdict


class Quoting:
    def __init__(self, text):
        self.text = text

    def __del__(self):
        raise ValueError(self.text)


def fail_once(method):
    """Makes a method of this program raise a MemoryError in its next call."""
    module, owner, name = method.rsplit(".", 2)
    owner = getattr(importlib.import_module(module), owner)
    real = getattr(owner, name)

    def failing(*arguments):
        setattr(owner, name, real)
        raise MemoryError

    setattr(owner, name, failing)


class NoisySettings(BackendSettings):
    does: str
    file: str = ""


class Noisy(Backend):
    """Allows the password ``right``, and does something else that the settings name."""

    Settings = NoisySettings

    def __init__(self, settings):
        self.does = settings.does
        self.file = settings.file
        if self.does == "fail once":
            fail_once(self.file)

    def close(self):
        if self.does == "hang at close":
            time.sleep(3600)
        if self.file and self.does != "fail once":
            open(self.file, "w").close()
        if self.does == "raise at close":
            raise ValueError

    def auth(self, command, http):
        what = self.does
        if what == "print":
            print("noise", flush=True)
        elif what == "sys.__stdout__":
            sys.__stdout__.write("noise"); sys.__stdout__.flush()
        elif what == "os.write":
            os.write(1, b"noise")
        elif what == "os.system":
            os.system("echo noise")
        elif what == "subprocess":
            subprocess.run(["echo", "noise"])
        elif what == "stdin":
            assert sys.stdin.read() == "" and os.read(0, 100) == b""
        elif what == "stderr":
            sys.stderr.write("noise")
        elif what == "raise":
            raise ValueError(f"it was {command.password}")
        elif what == "exit":
            sys.exit(3)
        elif what == "loop":
            print("it loops", flush=True)
            while command.password != "right":
                pass
        elif what == "wait for a file":
            print("it waits", flush=True)
            while not os.path.exists(command.password):
                time.sleep(0.01)
            return Verdict.ALLOW
        elif what == "leave":
            subprocess.Popen(["sleep", "60"])
        elif what == "stubborn":
            while command.password != "right":
                try:
                    time.sleep(0)
                except BaseException:
                    pass
        elif what == "sleep":
            if command.password != "right":
                time.sleep(3600)
        elif what == "undecided":
            raise UndecidedError("cannot_tell", "the moon is full")
        elif what == "true":
            return True
        elif what == "none":
            return None
        elif what == "no verdict":
            return Answer("allow", "sure")
        elif what == "no reason":
            return Answer(Verdict.ALLOW, None)
        elif what == "undecided by nothing":
            raise UndecidedError(None)
        elif what == "unraisable":
            Quoting(command.password)
        elif what == "thread":
            thread = threading.Thread(target=int, args=(command.password,))
            thread.start()
            thread.join()
        elif what == "logging":
            logging.basicConfig(level=1)
            logging.captureWarnings(True)
            http.post("http://127.0.0.1:1/", json={"password": command.password})
        elif what == "interrupt":
            raise KeyboardInterrupt
        return Verdict.ALLOW if command.password == "right" else Verdict.DENY


def explode():
    raise ValueError
'''

BROKEN = 'print("noise")\nraise RuntimeError("broken")\n'


def plugins(folder: Path) -> dict[str, str]:
    """Returns an environment in which the kinds ``noisy`` and ``broken`` are installed."""
    place = folder / "plugins"
    metadata = place / "noisy-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: noisy\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[extauth_http.backends]\nnoisy = noisy:Noisy\nbroken = broken_backend:X\n"
        "other = noisy:explode\n"
    )
    (place / "noisy.py").write_text('print("noise of the import")\n' + SOURCE)
    (place / "broken_backend.py").write_text(BROKEN)
    return {"PYTHONPATH": str(place)}
