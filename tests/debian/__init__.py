"""The scripts that build the Debian package."""
