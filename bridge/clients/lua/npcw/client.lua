--- The game's end of a session: `poll`, `step`, `push` in every tick. Nothing here waits, and nothing raises for what a
-- brain does. The sockets are a transport: zmq.lua has one over ZeroMQ.

local codec = require "npcw.codec"
local Ladder = require "npcw.ladder"

local Code, Flag, Kind = codec.Code, codec.Flag, codec.Kind
local HELLO_AGAIN_US = 250000 -- an unanswered HELLO is repeated
local REFUSED_AGAIN_US = 1000000 -- a refused game asks again
local DEAF_US = 500000 -- a peer that has not answered HELLO by then is not ours, or hangs
local SILENT_US = 1500000 -- without actions while snapshots are sent
local REOPEN_US = 1000000 -- libzmq gives some peers up for ever; a new socket does not
local FRAMES_PER_POLL = 16

local REMEDIES = {
  connecting = "wait a second",
  not_listening = "start the brain (npc-sdk serve), or correct the port",
  not_ours = "correct the port: npc-sdk serve prints its own",
  lost = "wait: the session is opened anew by itself",
  silent = "look at the brain's log",
  ["local"] = "pass rows as the schema declares them",
}

local Client = {}
Client.__index = Client

local function love_clock_us() return math.floor(love.timer.getTime() * 1e6) end

--- Returns a client.
-- @param transport {endpoint, next_event(), receive(), send(frame), reopen(), close()}, see zmq.lua
-- @param schema a Schema
-- @param options name of this game instance; fallback, the game's own behaviour, see Ladder.new; clock_us, monotonic,
--   love.timer's by default
function Client.new(transport, schema, options)
  options = options or {}
  local self = setmetatable({ transport = transport, schema = schema, fallback = options.fallback, accepted = {} }, Client)
  self.name = options.name or schema.game
  self.clock_us = options.clock_us or love_clock_us
  self.ladder = Ladder.new(schema, self.fallback)
  self.phase = "idle" -- idle, greeting, live, refused
  self.welcome = nil -- the body of the last one, with its session
  self.resume = nil -- goes on with the session that is, or was, open
  self.nonce = (os.time() * 1000003 + self.clock_us()) % 2 ^ 32
  self.header = codec.header { flags = Flag.KEYFRAME } -- of snapshots
  self.hello_us = nil -- when HELLO was said last
  self.deaf_us = nil -- since when a peer owes its first answer
  self.unanswered_us = nil -- since when snapshots have had no answer
  self.idle_us = self.clock_us() -- when the connection was heard of last
  self.owed = nil -- a HELLO that did not go out
  self.snapshots_sent = 0
  self.snapshots_dropped = 0
  self.last_tick = 0
  self:say("connecting", "connecting to " .. transport.endpoint)
  return self
end

--- Number of the open session, 0 if there is none.
function Client:session() return self.phase == "live" and self.welcome.session or 0 end

--- How often each rung of the ladder was used.
function Client:counters() return self.ladder.counters end

--- Takes in what has arrived; returns the actions accepted now, a list until the next poll.
function Client:poll()
  local now = self.clock_us()
  for event in self.transport.next_event, self.transport do self:connection(event, now) end
  for i = #self.accepted, 1, -1 do self.accepted[i] = nil end
  for _ = 1, FRAMES_PER_POLL do
    local frame = self.transport:receive()
    if not frame then break end
    self.accepted[#self.accepted + 1] = self:take(frame, now)
  end
  if self.phase == "idle" and now - self.idle_us > REOPEN_US then
    self.idle_us = now
    self.transport:reopen()
  end
  if self.phase == "greeting" and now - self.hello_us >= HELLO_AGAIN_US then self:hello(now, false) end
  if self.phase == "refused" and now - self.hello_us >= REFUSED_AGAIN_US then self:hello(now, true) end
  if self.owed and self.transport:send(self.owed) then self.owed = nil end
  self:listen(now)
  return self.accepted
end

--- Picks every NPC's command for this tick; see Ladder.step.
function Client:step(tick, ids, pose, alive) return self.ladder:step(tick, ids, pose, alive) end

--- Sends where everybody is at a tick.
-- @param blocks by entity type a list of rows: tables with `id` and every field by its name
-- @param time_us of the game; by default it follows from the tick
-- @return false if nothing was sent: no session, the brain does not read, or `fault` says what is wrong
function Client:push(tick, blocks, time_us)
  self.last_tick = tick
  local sent = false
  if self.phase == "live" then
    local frame = self:snapshot(tick, blocks, time_us or math.floor(tick * 1e6 / self.schema.tick_hz + 0.5))
    sent = frame ~= nil and self.transport:send(frame)
  end
  if sent then
    self.snapshots_sent = self.snapshots_sent + 1
    self.unanswered_us = self.unanswered_us or self.clock_us()
  else
    self.snapshots_dropped = self.snapshots_dropped + 1
  end
  return sent
end

--- Leaves the session and opens another: after a level restart, or with another schema.
function Client:restart(schema)
  if schema then
    self.schema = schema
    self.ladder = Ladder.new(schema, self.fallback, self.ladder)
  end
  self.resume = nil
  if self.phase ~= "idle" then self:hello(self.clock_us(), true) end
end

--- The text of a bark, "" for 0 and unknown ones.
function Client:bark(number) return self.welcome and self.welcome.barks[number] or "" end

--- Says goodbye and closes the sockets.
function Client:close()
  if self.phase == "live" then self.transport:send(codec.encode_body({ kind = Kind.BYE, session = self:session() }, {})) end
  self.phase = "closed"
  self.transport:close()
end

--- Returns a SNAPSHOT frame; nil, and a fault, where it cannot be written.
function Client:snapshot(tick, blocks, time_us)
  local header = self.header
  header.session, header.schema_id, header.tick, header.time_us = self.welcome.session, self.schema.id, tick, time_us
  header.sequence = (header.sequence + 1) % 2 ^ 32
  local written, frame = pcall(codec.encode_snapshot, header, self.schema, blocks, self.ladder.executing)
  local most = self.welcome.limits.frame_bytes
  if written and #frame <= most then return frame end
  self:say("local", written and ("SNAPSHOT: expected at most %d bytes, got %d"):format(most, #frame) or tostring(frame))
end

function Client:connection(event, now)
  local at = self.transport.endpoint
  self.idle_us = now
  if event == "open" or event == "up" then
    self.deaf_us = now
    if event == "up" then self:hello(now, true) end
    return
  end
  if event == "down" and self.phase ~= "idle" then self:say("lost", ("the connection to %s broke"):format(at)) end
  if event == "refused" then self:say("not_listening", ("nothing listens at %s"):format(at)) end
  if event == "stranger" then self:say("not_ours", ("the peer at %s does not speak this protocol"):format(at)) end
  self.phase = "idle"
  self.hello_us, self.deaf_us, self.unanswered_us, self.owed = nil, nil, nil, nil
end

function Client:hello(now, anew)
  if anew then self.nonce = (self.nonce + 1) % 2 ^ 32 end
  self.phase = "greeting"
  self.hello_us = now
  self.owed = codec.encode_body({ kind = Kind.HELLO, schema_id = self.schema.id, sequence = self.nonce }, {
    majors = codec.list { codec.MAJOR }, client = "npcw lua", game = self.name, schema = codec.blob(self.schema.canonical),
    capabilities = codec.list {}, resume = self.resume,
  })
end

--- Notes where an answer is missing.
function Client:listen(now)
  if self.deaf_us and now - self.deaf_us > DEAF_US then
    self:say("not_ours", ("the peer at %s does not answer HELLO; it may also be a brain that hangs"):format(self.transport.endpoint))
  end
  if self.phase == "live" and self.unanswered_us and now - self.unanswered_us > SILENT_US then
    self:say("silent", ("the brain at %s sends no actions"):format(self.transport.endpoint))
  end
end

--- Takes one frame in; returns the action if it is one and was accepted.
function Client:take(frame, now)
  local read, message = pcall(self.read, self, frame)
  if not read then
    if getmetatable(message) ~= codec.ProtocolError then error(message, 0) end
    self:say("not_ours", ("from %s: %s"):format(self.transport.endpoint, message.message))
    return nil
  end
  if not message then return nil end
  self.deaf_us = nil
  local header = message.header
  if header.kind == Kind.WELCOME then self:welcomed(header, message.body)
  elseif header.kind == Kind.ERROR then self:reported(header, message.body, now)
  elseif header.kind == Kind.ACTION then
    self.unanswered_us = nil
    if self.fault and message.source_tick > self.fault.tick then self.fault = nil end
    return self.ladder:accept(message) and message or nil
  end
end

--- Returns what a frame says; nil for an action of another session.
function Client:read(frame)
  local header = codec.read_header(frame)
  if header.kind == Kind.ACTION and header.session ~= self:session() then return nil end
  return codec.decode(frame, self.schema, self.welcome and self.welcome.limits)
end

function Client:welcomed(header, body)
  local mine
  if self.phase == "greeting" then mine = header.sequence == self.nonce else mine = header.session == self:session() end
  if not mine or body.schema_sha256 ~= self.schema.sha256 then return end
  self.phase = "live"
  body.session = header.session
  self.welcome, self.resume = body, body.resume
  if body.session ~= self.ladder.session then self.ladder:start(body.session, body.fresh_steps, body.velocity_tolerance) end
  self.unanswered_us, self.fault = nil, nil
end

function Client:reported(header, body, now)
  if header.session ~= 0 and header.session ~= self:session() then return end
  local tick = tonumber(header.tick)
  self.fault = { kind = "reported", code = body.code, text = body.text, remedy = body.remedy, tick = tick > 0 and tick or self.last_tick }
  if not body.fatal then return end
  self.phase = "refused" -- a session that is merely unknown is opened anew at once
  self.hello_us = body.code == Code.SESSION and now - REFUSED_AGAIN_US or now
end

--- Sets what is wrong: {kind, text, remedy, tick}; an action about a later tick shows that it is over.
function Client:say(kind, text)
  self.fault = { kind = kind, text = text, remedy = REMEDIES[kind], tick = kind == "local" and self.last_tick or -1 }
end

return Client
