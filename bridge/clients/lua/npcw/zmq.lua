--- ZeroMQ for LuaJIT: a transport for Client, by the FFI to libzmq (4.2 or newer). Nothing here waits.

local ffi = require "ffi"

ffi.cdef [[
  void *zmq_ctx_new(void);
  int zmq_ctx_term(void *context);
  void *zmq_socket(void *context, int type);
  int zmq_close(void *socket);
  int zmq_setsockopt(void *socket, int option, const void *value, size_t size);
  int zmq_getsockopt(void *socket, int option, void *value, size_t *size);
  int zmq_connect(void *socket, const char *endpoint);
  int zmq_send(void *socket, const void *bytes, size_t size, int flags);
  int zmq_recv(void *socket, void *bytes, size_t size, int flags);
  int zmq_socket_monitor(void *socket, const char *endpoint, int events);
  int zmq_errno(void);
  const char *zmq_strerror(int error);
]]

local function loaded(...)
  for _, name in ipairs { ... } do
    local found, library = pcall(ffi.load, name)
    if found then return library end
  end
  error "libzmq: not found; install it (Debian: libzmq5), or lay it beside the game"
end

local zmq = loaded("zmq", "libzmq.so.5", "libzmq") -- the first needs Linux's development package, the last is Windows' name
local PAIR, DEALER, DONTWAIT, RCVMORE, MAXMSGSIZE = 0, 5, 1, 13, 22
local OPTIONS = { -- by number; all are of type int
  [17] = 0, -- LINGER
  [39] = 1, -- IMMEDIATE
  [23] = 2, -- SNDHWM
  [28] = 0, -- SNDTIMEO
  [18] = 20, -- RECONNECT_IVL, ms
  [75] = 500, -- HEARTBEAT_IVL, ms
  [77] = 1500, -- HEARTBEAT_TIMEOUT, ms
  [76] = 2000, -- HEARTBEAT_TTL, ms
  [66] = 2000, -- HANDSHAKE_IVL, ms
}
local CONNECTED, CLOSED, DISCONNECTED, HANDSHAKEN = 0x1, 0x80, 0x200, 0x1000 -- events of the monitor
local FRAME_BYTES = 2 ^ 20

local Transport = {}
Transport.__index = Transport

local function check(ok, what)
  if not ok then error(("%s: %s"):format(what, ffi.string(zmq.zmq_strerror(zmq.zmq_errno()))), 0) end
end

local monitors = 0

--- Connects to the brain's data channel.
-- @param endpoint such as tcp://127.0.0.1:5757; raises where it is none
function Transport.new(endpoint)
  local self = setmetatable({ endpoint = endpoint }, Transport)
  self.buffer = ffi.new("uint8_t[?]", FRAME_BYTES)
  self.event = ffi.new "struct { uint16_t number; uint8_t rest[254]; }"
  self.more, self.size = ffi.new "int[1]", ffi.new("size_t[1]", ffi.sizeof "int")
  self.context = zmq.zmq_ctx_new()
  local opened, problem = pcall(self.open, self)
  if not opened then
    self:close()
    error(problem, 2)
  end
  return self
end

--- Returns what has become of the connection: "open" (TCP), "up" (ZeroMQ), "down", "refused" or "stranger"; nil without news.
function Transport:next_event()
  while self.monitor and zmq.zmq_recv(self.monitor, self.event, 256, DONTWAIT) >= 0 do
    local number = self.event.number
    self:rest(self.monitor) -- the address
    if number == CONNECTED then
      self.greeting = true
      return "open"
    elseif number == HANDSHAKEN then
      self.greeting = false
      return "up"
    elseif number == DISCONNECTED then
      local stranger = self.greeting
      self.greeting = false
      return stranger and "stranger" or "down"
    elseif number == CLOSED and not self.greeting then
      return "refused"
    end
  end
end

--- Returns a frame that has arrived, nil if none has.
function Transport:receive()
  if not self.socket then return nil end
  local size = zmq.zmq_recv(self.socket, self.buffer, FRAME_BYTES, DONTWAIT)
  if size < 0 then return nil end
  local frame = ffi.string(self.buffer, math.min(size, FRAME_BYTES))
  return self:rest(self.socket) and "" or frame -- several frames are never ours
end

--- Hands a frame to ZeroMQ; false if nobody is there, or does not read: an old snapshot is worth nothing.
function Transport:send(frame)
  return self.socket ~= nil and zmq.zmq_send(self.socket, frame, #frame, DONTWAIT) >= 0
end

--- Begins anew with another socket.
function Transport:reopen()
  self:shut()
  self:open()
end

function Transport:close()
  self:shut()
  if self.context then zmq.zmq_ctx_term(self.context) end
  self.context = nil
end

function Transport:open()
  self.socket = zmq.zmq_socket(self.context, DEALER)
  self.greeting = false -- TCP is there, ZeroMQ's handshake lasts
  local value = ffi.new "int[1]"
  for option, number in pairs(OPTIONS) do
    value[0] = number
    check(zmq.zmq_setsockopt(self.socket, option, value, ffi.sizeof(value)) == 0, "zmq_setsockopt")
  end
  check(zmq.zmq_setsockopt(self.socket, MAXMSGSIZE, ffi.new("int64_t[1]", FRAME_BYTES), 8) == 0, "zmq_setsockopt")
  monitors = monitors + 1
  local address = ("inproc://npcw-monitor-%d"):format(monitors)
  check(zmq.zmq_socket_monitor(self.socket, address, CONNECTED + CLOSED + DISCONNECTED + HANDSHAKEN) == 0, "zmq_socket_monitor")
  self.monitor = zmq.zmq_socket(self.context, PAIR)
  check(zmq.zmq_connect(self.monitor, address) == 0, address)
  check(zmq.zmq_connect(self.socket, self.endpoint) == 0, ("endpoint '%s'"):format(self.endpoint))
end

function Transport:shut()
  if self.socket then
    zmq.zmq_socket_monitor(self.socket, nil, 0)
    zmq.zmq_close(self.socket)
  end
  if self.monitor then zmq.zmq_close(self.monitor) end
  self.socket, self.monitor = nil, nil
end

--- Throws the other frames of a message away; says whether there were any.
function Transport:rest(socket)
  local any = false
  while zmq.zmq_getsockopt(socket, RCVMORE, self.more, self.size) == 0 and self.more[0] ~= 0 do
    any = true
    if zmq.zmq_recv(socket, self.buffer, FRAME_BYTES, DONTWAIT) < 0 then break end
  end
  return any
end

return Transport
