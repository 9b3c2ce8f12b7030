// From an engine's ground plane to the wire's and back (PROTOCOL.md, Coordinates): metres, x right, y up, radians
// counter-clockwise from x. A canvas counts as pygame does: pixels, y down.

const wrapped = (angle) => Math.atan2(Math.sin(angle), Math.cos(angle));

export class Preset {
  /** units of the engine in a metre; 1 or -1, which way its second number and its angles grow on the wire */
  constructor({ units, up, turn }) {
    Object.assign(this, { units, up, turn });
  }

  /** The wire's x and y, m or m/s, of the engine's two numbers on the ground. */
  toWire([a, b]) {
    return [a / this.units, (this.up * b) / this.units];
  }

  fromWire([x, y]) {
    return [x * this.units, this.up * y * this.units];
  }

  angleToWire(angle) {
    return wrapped(this.turn * angle);
  }

  angleFromWire(angle) {
    return wrapped(this.turn * angle);
  }
}

const PRESETS = {
  wire: { units: 1, up: 1, turn: 1 },
  pygame: { units: 1, up: -1, turn: -1 },
};

/** The preset `wire` or `pygame`; `units` in a metre, such as pixels. */
export function preset(name, units = PRESETS[name].units) {
  return new Preset({ ...PRESETS[name], units });
}
