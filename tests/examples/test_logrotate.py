"""The example for logrotate works beside the configuration of Debian's ejabberd."""

import re
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "logrotate.conf"


def test_it_names_no_file_that_the_package_of_ejabberd_rotates() -> None:
    """logrotate ignores a whole file of its configuration if one log has two entries."""
    logs = re.findall(r"^(/\S+) \{", EXAMPLE.read_text(), re.MULTILINE)
    assert logs == ["/var/log/extauth-http/*.log"]
