"""``python -m extauth_http`` is ``extauth-http``."""

import sys

from extauth_http.cli import main

sys.exit(main())
