"""``extauth-http check``: why a login fails, and whether each login really reaches the service.

One folder per subject. Each module returns findings; ``sections.py`` puts them in order and
``report.py`` prints them.
"""
