"""``make bench``: this program beside a floor and beside what a user would write."""
