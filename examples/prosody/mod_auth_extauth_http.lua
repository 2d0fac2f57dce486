-- Prosody authentication through `extauth-http serve`.
--
-- Each question is one packet of ejabberd's extauth protocol on a connection of its own to the
-- Unix socket of `serve`. A connection is closed with its question, so a late reply can never
-- reach the next login. Nothing blocks: the caller's coroutine waits, Prosody goes on.
--
-- A verdict is ALLOW, DENY or UNDECIDED. UNDECIDED means that nobody answered yes or no in time. A
-- login then fails with <temporary-auth-failure/> (RFC 6120, 6.5.10), not with <not-authorized/>.
--
-- Prosody 0.12 and 13.0. Documentation: docs/prosody.md

local async = require "util.async";
local new_sasl = require "util.sasl".new;
local server = require "net.server";
local timer = require "util.timer";
local unix = require "socket.unix";

local new_socket = type(unix) == "table" and unix.stream or unix; -- LuaSocket has both forms

local socket_path = module:get_option_string("extauth_http_socket", "/run/extauth-http/port.sock");
local deadline = module:get_option_number("extauth_http_deadline", 9); -- seconds; up to half of them in the queue
local max_requests = module:get_option_number("extauth_http_max_requests", 256);

local ALLOW, DENY, UNDECIDED = "allow", "deny", "undecided";
local VERDICTS = { ["\0\2\0\0"] = DENY, ["\0\2\0\1"] = ALLOW, ["\0\2\0\2"] = UNDECIDED };
local REPLY_BYTES = 4;
local MAX_PACKET_BYTES = 0xFFFF;
local RETRY_SECONDS = 0.02; -- between two attempts while the queue of the listening socket is full
local TEMPORARY = "The authentication service did not answer. Please try again later.";

local request_count = 0;
local queue = { first = 1, last = 0 }; -- functions, each starts one request

local function start_requests()
	while request_count < max_requests and queue.first <= queue.last do
		local start = queue[queue.first];
		queue[queue.first] = nil;
		queue.first = queue.first + 1;
		start();
	end
end

-- Sends a packet and waits for its verdict. Returns the verdict and, if it is UNDECIDED, the reason.
local function exchange(packet)
	local wait, wake = async.waiter();
	local verdict, reason, has_started, connection;
	local received, timers = "", {};

	local function finish(new_verdict, new_reason)
		if verdict then return; end
		verdict, reason = new_verdict, new_reason;
		for _, each in pairs(timers) do timer.stop(each); end
		if connection then connection:close(); end
		if has_started then
			request_count = request_count - 1;
			timer.add_task(0, start_requests); -- not from here: it may finish the next one at once
		end
		wake();
	end

	local listeners = {};

	function listeners.onconnect(conn)
		conn:write(packet);
	end

	function listeners.onincoming(_, data)
		received = received .. data;
		if #received >= REPLY_BYTES then
			local known = VERDICTS[received];
			finish(known or UNDECIDED, known and "reported by serve" or "malformed reply");
		end
	end

	function listeners.ondisconnect(_, err)
		finish(UNDECIDED, err or "connection closed");
	end

	local function connect()
		local socket, err = new_socket();
		if not socket then return finish(UNDECIDED, err); end
		socket:settimeout(0);
		local connected;
		connected, err = socket:connect(socket_path);
		if connected then
			connection, err = server.wrapclient(socket, socket_path, 0, listeners, "*a");
			if not connection then finish(UNDECIDED, err); end
			return;
		end
		socket:close();
		if err == "timeout" then -- EAGAIN: connections wait to be accepted (connect(2))
			timers.retry = timer.add_task(RETRY_SECONDS, connect);
		else
			finish(UNDECIDED, err);
		end
	end

	timers.deadline = timer.add_task(deadline, function () finish(UNDECIDED, "deadline"); end);
	-- A request that starts late has no chance, and a write would be sent although the caller has
	-- already received a failure.
	timers.queue = timer.add_task(deadline / 2, function ()
		if not has_started then finish(UNDECIDED, "too many requests"); end
	end);
	queue.last = queue.last + 1;
	queue[queue.last] = function ()
		if verdict then return; end -- gave up in the queue
		has_started = true;
		request_count = request_count + 1;
		connect();
	end;
	start_requests();
	wait();
	return verdict, reason;
end

-- Asks `serve`. Returns true for ALLOW; else nil, a sentence, and the verdict.
local function ask(operation, username, password)
	local payload = table.concat({ operation, username, module.host, password }, ":");
	if #payload > MAX_PACKET_BYTES then
		return nil, "The password is too long.", DENY;
	end
	local verdict, reason = UNDECIDED, "not in an async context";
	if async.ready() then
		local length = string.char(math.floor(#payload / 256), #payload % 256);
		verdict, reason = exchange(length .. payload);
	end
	if verdict == ALLOW then return true; end
	if verdict == DENY then return nil, "The authentication service refused.", DENY; end
	module:log("warn", "%s of %s is undecided: %s", operation, username, reason);
	return nil, TEMPORARY, UNDECIDED;
end

-- Makes a login that is UNDECIDED fail with a temporary condition.
local function with_temporary_failure(handler)
	local process, clean_clone = handler.process, handler.clean_clone;

	function handler:process(message)
		self.is_undecided = false;
		local status, condition, text = process(self, message);
		if status == "failure" and self.is_undecided then
			return "failure", "temporary-auth-failure", TEMPORARY;
		end
		return status, condition, text;
	end

	function handler:clean_clone()
		return with_temporary_failure(clean_clone(self));
	end

	return handler;
end

-- Prosody 13 registers in two steps within one coroutine: create_user without a password, then
-- set_password. The protocol has one operation for both, which the second step sends. The key is
-- the coroutine: a second registration of the same name must not become a password change.
local registering = setmetatable({}, { __mode = "k" }); -- coroutine -> username

local function is_registering(username)
	return registering[coroutine.running()] == username;
end

local provider = {};

function provider.get_sasl_handler()
	return with_temporary_failure(new_sasl(module.host, {
		plain_test = function (handler, username, password)
			local allowed, _, verdict = ask("auth", username, password);
			handler.is_undecided = verdict == UNDECIDED;
			return allowed, allowed;
		end;
	}));
end

function provider.test_password(username, password)
	return ask("auth", username, password);
end

function provider.user_exists(username)
	return ask("isuser", username);
end

-- Prosody 13 asks this before it accepts a token of its own (mod_tokenauth).
provider.is_enabled = provider.user_exists;

function provider.set_password(username, password)
	if is_registering(username) then
		registering[coroutine.running()] = nil;
		return ask("tryregister", username, password);
	end
	return ask("setpass", username, password);
end

function provider.create_user(username, password)
	if password or not async.ready() then return ask("tryregister", username, password or ""); end
	registering[coroutine.running()] = username;
	return true;
end

function provider.delete_user(username)
	if is_registering(username) then
		registering[coroutine.running()] = nil;
		return true;
	end
	return ask("removeuser", username);
end

module:provides("auth", provider);
