-- What to add to Prosody's /etc/prosody/prosody.cfg.lua for logins through `extauth-http serve`.
-- The rest of Debian's file stays as it is.

-- The folder with mod_auth_extauth_http.lua.
plugin_paths = { "/usr/local/lib/prosody/modules" }

-- Per virtual host, or once above all of them.
VirtualHost "example.org"
	authentication = "extauth_http"

	-- The socket of `extauth-http serve --group prosody`.
	extauth_http_socket = "/run/extauth-http/port.sock"

	-- Seconds for one question. Keep it above `deadline` in extauth-http.toml (8 s by default).
	extauth_http_deadline = 9

	-- Questions of this host at the same time. More than that wait, for half of the deadline at most.
	extauth_http_max_requests = 256

	-- Prosody closes the connection of a client that sends more bytes than this before it has
	-- logged in. A password can have up to 1,023 bytes in any case.
	-- c2s_unauthed_stanza_size_limit = 10000
