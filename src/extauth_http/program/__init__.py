"""The external authentication program: reads packets, decides them and writes replies."""
