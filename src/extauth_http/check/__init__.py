"""``extauth-http check``: why does this login not work, and is every login really fresh?

Each file finds one kind of thing and gives findings; ``report.py`` shows them.
"""
