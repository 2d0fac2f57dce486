"""ejabberd's external authentication protocol: commands, verdicts, packets and JIDs. No I/O."""
