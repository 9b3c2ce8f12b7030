"""The yard in 3-D, in Panda3D. What one learns: a scene graph led by a client, and the wire's axes in 3-D.

Start a brain first: `npc-sdk serve`. Arguments: its address, for how many seconds to play, and, to draw without a
display and without a graphics card, the file of a picture that is renewed every second. Panda3D counts as the wire
does: metres, x right, y ahead, z up; its heading H is in degrees, and 0 looks along y.
"""

import math
import sys
from itertools import pairwise

import numpy as np
from direct.gui.OnscreenText import OnscreenText
from direct.showbase.ShowBase import ShowBase
from panda3d.core import (
    AmbientLight,
    AntialiasAttrib,
    ClockObject,
    DirectionalLight,
    Filename,
    Geom,
    GeomNode,
    GeomTriangles,
    GeomVertexData,
    GeomVertexFormat,
    GeomVertexWriter,
    Material,
    NodePath,
    TextNode,
    loadPrcFileData,
)
from yard import HOMES, HZ, IDS, RADIUS, SHED, blocks, schema, stand, tell, walk

from npc_bridge.client import Client
from npc_bridge.messages import RUNG_BRAKE, RUNG_CALLBACK, RUNG_PLAN, RUNG_TAIL

COLOURS = {
    RUNG_PLAN: (0.35, 0.85, 0.56, 1),
    RUNG_TAIL: (0.85, 0.78, 0.35, 1),
    RUNG_CALLBACK: (0.33, 0.50, 0.90, 1),
    RUNG_BRAKE: (0.85, 0.35, 0.36, 1),
}
GRASS, STRIPE, SHADE = (0.20, 0.27, 0.24, 1), (0.22, 0.30, 0.26, 1), (0.10, 0.14, 0.13, 1)
SLATE, ROOF, WHITE = (0.42, 0.46, 0.52, 1), (0.55, 0.33, 0.28, 1), (0.94, 0.95, 0.96, 1)
SKIN = (0.93, 0.80, 0.68, 1)
BALL = [(math.sin(a), -math.cos(a)) for a in np.linspace(0.0, math.pi, 9)]


def paint(colour: tuple[float, float, float, float]) -> Material:
    """A surface of one colour."""
    out = Material()
    out.setAmbient(colour)
    out.setDiffuse(colour)
    return out


COATS = {rung: paint(colour) for rung, colour in COLOURS.items()}


def lathe(outline: list[tuple[float, float]], sides: int = 20) -> NodePath:
    """A body turned about z: rings of radius and height, from below. Four sides make a box."""
    data = GeomVertexData("lathe", GeomVertexFormat.getV3n3(), Geom.UHStatic)
    vertex, normal = GeomVertexWriter(data, "vertex"), GeomVertexWriter(data, "normal")
    triangles = GeomTriangles(Geom.UHStatic)
    for (r0, z0), (r1, z1) in pairwise(outline):
        slope = math.hypot(r1 - r0, z1 - z0)
        out, up = (z1 - z0) / slope, (r0 - r1) / slope
        for side in range(sides):
            first = data.getNumRows()
            turns = [2 * math.pi * (side + k + 0.5) / sides for k in (0, 1)]
            facing = [sum(turns) / 2] * 2 if sides < 8 else turns  # edges of a box are sharp
            for radius, z in ((r0, z0), (r1, z1)):
                for turn, face in zip(turns, facing, strict=True):
                    vertex.addData3(radius * math.cos(turn), radius * math.sin(turn), z)
                    normal.addData3(out * math.cos(face), out * math.sin(face), up)
            triangles.addVertices(first, first + 1, first + 2)
            triangles.addVertices(first + 1, first + 3, first + 2)
    geom = Geom(data)
    geom.addPrimitive(triangles)
    node = GeomNode("lathe")
    node.addGeom(geom)
    return NodePath(node)


def box(x: float, y: float, width: float, depth: float, low: float, high: float) -> NodePath:
    """A box with its middle at x, y."""
    out = lathe([(1e-3, low), (math.sqrt(0.5), low), (math.sqrt(0.5), high), (1e-3, high)], sides=4)
    out.setScale(width, depth, 1)
    out.flattenLight()
    out.setPos(x, y, 0)
    return out


class Yard(ShowBase):
    """What is seen: ground, shed, and five figures that are put where the game has them."""

    def __init__(self, picture: str) -> None:
        if picture:
            loadPrcFileData("", "load-display p3tinydisplay")
        loadPrcFileData("", "window-title npc-sdk yard\nwin-size 768 512\naudio-library-name null\nmultisamples 4")
        super().__init__(windowType="offscreen" if picture else "onscreen")
        self.picture = picture
        self.disableMouse()
        self.setBackgroundColor(0.11, 0.13, 0.16, 1)
        self.render.setAntialias(AntialiasAttrib.MAuto)
        self.light()
        for stripe in range(12):
            self.put(box(0, 2 * stripe - 11, 24, 2, -0.3, 0), GRASS if stripe % 2 else STRIPE)
        (left, front), (right, back) = SHED[0], SHED[2]
        self.put(box((left + right) / 2, (front + back) / 2, right - left, back - front, 0, 1.6), SLATE)
        roof = self.put(lathe([(1.7, 1.6), (1e-3, 2.6)], sides=4), ROOF)
        roof.setPos((left + right) / 2, (front + back) / 2, 0)
        self.walker = self.figure(WHITE)
        self.guards = [self.figure(COLOURS[RUNG_CALLBACK]) for _ in IDS]
        self.said = OnscreenText(
            "", pos=(-1.4, 0.9), scale=0.05, fg=WHITE, align=TextNode.ALeft, mayChange=True, parent=self.aspect2d
        )
        clock = ClockObject.getGlobalClock()
        clock.setMode(ClockObject.MLimited)
        clock.setFrameRate(HZ)

    def light(self) -> None:
        sky, sun = AmbientLight("sky"), DirectionalLight("sun")
        sky.setColor((0.45, 0.47, 0.52, 1))
        sun.setColor((0.75, 0.72, 0.65, 1))
        high = self.render.attachNewNode(sun)
        high.setHpr(-35, -55, 0)
        self.render.setLight(high)
        self.render.setLight(self.render.attachNewNode(sky))

    def put(self, shape: NodePath, colour: tuple[float, float, float, float]) -> NodePath:
        shape.reparentTo(self.render)
        shape.setMaterial(paint(colour), 1)
        return shape

    def figure(self, colour: tuple[float, float, float, float]) -> NodePath:
        """Somebody with a coat of a colour, who looks along y."""
        whole = self.render.attachNewNode("figure")
        shade = self.put(lathe([(RADIUS * 1.15, 0.01), (1e-3, 0.012)]), SHADE)
        coat = self.put(lathe([(0.30, 0.0), (RADIUS, 0.15), (0.24, 0.85), (0.12, 1.05), (1e-3, 1.08)]), colour)
        coat.setName("coat")
        head = self.put(lathe([(0.2 * r, 1.25 + 0.2 * z) for r, z in BALL]), SKIN)
        nose = self.put(lathe([(0.07, 0.0), (1e-3, 0.45)], sides=10), WHITE)
        nose.setPosHpr(0, 0.2, 0.8, 0, -90, 0)
        for part in (shade, coat, head, nose):
            part.reparentTo(whole)
        return whole

    def show(self, tick: int, player: np.ndarray, guards: np.ndarray, heading: np.ndarray, rungs: np.ndarray) -> None:
        """Puts everybody in place, goes round a little, and draws."""
        self.walker.setPosHpr(player[0], player[1], 0, math.degrees(math.atan2(player[3], player[2])) - 90, 0, 0)
        for figure, place, angle, rung in zip(self.guards, guards, heading, rungs.tolist(), strict=True):
            figure.setPosHpr(float(place[0]), float(place[1]), 0, math.degrees(angle) - 90, 0, 0)
            figure.find("coat").setMaterial(COATS[rung], 1)
        turn = 0.25 * math.sin(0.1 * tick / HZ) - math.pi / 2
        self.camera.setPos(22 * math.cos(turn), 22 * math.sin(turn), 15)
        self.camera.lookAt(0, 0.5, 0)
        self.taskMgr.step()
        if self.picture and tick % HZ == HZ - 1:
            self.win.saveScreenshot(Filename.fromOsSpecific(self.picture))


def play(endpoint: str, seconds: float, picture: str) -> None:
    yard = Yard(picture)
    guards, heading = np.zeros((4, 4), np.float32), np.zeros(4, np.float32)
    guards[:, :2] = HOMES
    with Client(endpoint, schema("wire"), fallback=stand) as client:
        for tick in range(round(seconds * HZ)):
            client.poll()
            step = client.step(tick, IDS, guards)
            guards[:, 2:] = step.commands[:, :2]
            guards[:, :2] += guards[:, 2:] / HZ
            heading = np.where(step.rung <= RUNG_TAIL, step.commands[:, 2], heading)
            player = walk(tick)
            client.push(tick + 1, blocks(player, guards, heading))
            fault = client.fault
            yard.said.setText(f"{fault.text}: {fault.remedy}" if fault else "")
            yard.show(tick, player, guards, heading, step.rung)
            tell(tick, client, step.rung, guards)
    print("counters", client.counters)


if __name__ == "__main__":
    given = [*sys.argv[1:], *("tcp://127.0.0.1:5757", "30", "")[len(sys.argv) - 1 :]]
    play(given[0], float(given[1]), given[2])
