// From an engine's ground plane to the wire's and back (PROTOCOL.md, Coordinates): metres, x right, y up, radians counter-clockwise from x.
#pragma once

#include <cmath>

namespace npcw {

/// Two numbers on the ground: a place or a velocity.
struct Ground {
    double a, b;
};

struct Preset {
    double units;       // of the engine in a metre
    double up;          // 1 or -1: which way the second number grows on the wire
    double turn;        // 1 or -1: which way angles grow on the wire
    double per_radian;  // the engine's angle

    Ground to_wire(Ground engine) const { return {engine.a / units, up * engine.b / units}; }
    Ground from_wire(Ground wire) const { return {wire.a * units, up * wire.b * units}; }
    double angle_to_wire(double engine) const { return wrapped(turn * engine / per_radian); }
    double angle_from_wire(double wire) const { return wrapped(turn * wire) * per_radian; }

private:
    static double wrapped(double angle) { return std::atan2(std::sin(angle), std::cos(angle)); }
};

inline constexpr Preset WIRE{1, 1, 1, 1};
inline constexpr Preset UNREAL{100, -1, -1, 57.295779513082321};  // X and Y in centimetres; yaw in degrees, clockwise from X

}  // namespace npcw
