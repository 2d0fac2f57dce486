"""The configuration: its tables, and the one loader for a TOML file and the environment."""
