"""An external authentication program for a test: it records its requests and replies as told."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

PROGRAM = """
import json, struct, sys
requests, replies = sys.argv[1:]
while head := sys.stdin.buffer.read(2):
    packet = sys.stdin.buffer.read(struct.unpack(">H", head)[0])
    with open(requests, "ab") as file:
        file.write(packet + b"\\n")
    operation, user, host, *password = packet.decode().split(":", 3)
    default = password == ["good"] if operation == "auth" else 0
    reply = json.load(open(replies)).get(operation, default)
    sys.stdout.buffer.write(struct.pack(">HH", 2, reply))
    sys.stdout.buffer.flush()
"""


@dataclass
class RecordingProgram:
    """Accepts the password ``good``. All other operations get the reply 0, unless ``reply`` sets
    another one."""

    folder: Path

    def __post_init__(self) -> None:
        (self.folder / "program.py").write_text(PROGRAM)
        self.reply()

    @property
    def command_line(self) -> str:
        return f"{sys.executable} {self.folder}/program.py {self.folder}/requests {self._replies}"

    def reply(self, **replies: int) -> None:
        """Sets the reply to each of these operations: 0, 1 or 2."""
        draft = self.folder / "replies.new"
        draft.write_text(json.dumps(replies))
        draft.rename(self._replies)

    def new_requests(self) -> list[str]:
        """The requests since the last call."""
        file = self.folder / "requests"
        requests = file.read_text().splitlines() if file.exists() else []
        file.write_text("")
        return requests

    @property
    def _replies(self) -> Path:
        return self.folder / "replies.json"
