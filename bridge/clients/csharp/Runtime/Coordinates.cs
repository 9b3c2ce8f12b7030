// From an engine's ground plane to the wire's and back (PROTOCOL.md, Coordinates): metres, x right, y up, radians
// counter-clockwise from x. In Unity the ground is X and Z, and transform.eulerAngles.y turns clockwise from Z, in degrees.

using System;

namespace Npcw
{
    public sealed class Preset
    {
        public static readonly Preset Wire = new Preset("wire", 1, 0, 1);
        public static readonly Preset Unity = new Preset("unity", -1, Math.PI / 2, 180 / Math.PI);

        /// <summary>The name for Schema.Coordinates.</summary>
        public readonly string Name;

        private readonly double _turn, _zero, _perRadian;
        private readonly double _units;

        private Preset(string name, double turn, double zero, double perRadian, double units = 1)
        {
            Name = name;
            _turn = turn;
            _zero = zero;
            _perRadian = perRadian;
            _units = units;
        }

        /// <summary>The same preset for a game with so many units in a metre.</summary>
        public Preset With(double units) => new Preset(Name, _turn, _zero, _perRadian, units);

        /// <summary>To m or m/s, of a coordinate or velocity on the ground; both ground axes are told alike.</summary>
        public double ToWire(double coordinate) => coordinate / _units;

        public double FromWire(double coordinate) => coordinate * _units;

        /// <summary>To rad, within half a turn of 0.</summary>
        public double AngleToWire(double angle) => Wrapped(_zero + _turn * angle / _perRadian);

        public double AngleFromWire(double angle) => Wrapped(_turn * (angle - _zero)) * _perRadian;

        private static double Wrapped(double angle) => Math.Atan2(Math.Sin(angle), Math.Cos(angle));
    }
}
