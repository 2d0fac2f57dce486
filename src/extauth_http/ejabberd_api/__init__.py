"""The client of ejabberd's admin API: calls, the forms of each release, configuration hints."""
