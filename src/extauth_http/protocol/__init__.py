"""ejabberd's external authentication protocol, without I/O: commands, packets, replies, JIDs."""
