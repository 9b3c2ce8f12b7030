function love.conf(t)
  local headless = arg[#arg] == "headless"
  t.identity = "npcw-yard"
  t.modules.window = not headless
  t.modules.graphics = not headless
  t.modules.audio = false
  t.window.title = "NPCW yard"
  t.window.width, t.window.height = 768, 768
end
