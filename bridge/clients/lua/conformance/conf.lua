function love.conf(t)
  t.modules.window = false -- and with it no graphics: this is a program of the command line
  t.modules.graphics = false
  t.modules.audio = false
end
