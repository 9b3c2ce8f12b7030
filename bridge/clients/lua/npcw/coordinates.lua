--- From an engine's ground plane to the wire's and back (PROTOCOL.md, Coordinates): metres, x right, y up, radians
-- counter-clockwise from x. LÖVE counts as pygame does: pixels, y down.

local Preset = {}
Preset.__index = Preset

local PRESETS = {
  wire = { up = 1, turn = 1 },
  pygame = { up = -1, turn = -1 },
}

local function wrapped(angle) return math.atan2(math.sin(angle), math.cos(angle)) end

--- Returns the preset `wire` or `pygame`; `units` in a metre, such as pixels, 1 by default.
function Preset.new(name, units)
  local signs = PRESETS[name] or error(("preset '%s': expected wire or pygame"):format(name), 2)
  return setmetatable({ units = units or 1, up = signs.up, turn = signs.turn }, Preset)
end

--- The wire's x and y, m or m/s, of the engine's two numbers on the ground.
function Preset:to_wire(a, b) return a / self.units, self.up * b / self.units end

function Preset:from_wire(x, y) return x * self.units, self.up * y * self.units end

function Preset:angle_to_wire(angle) return wrapped(self.turn * angle) end

function Preset:angle_from_wire(angle) return wrapped(self.turn * angle) end

return Preset
