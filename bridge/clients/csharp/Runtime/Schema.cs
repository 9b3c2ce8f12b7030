// What a game declares once: entities, channels, bodies, walls. The canonical bytes are its identity.
//
// Names and defaults are those of docs/reference/schema.md. The brain judges a schema and says what is wrong with it;
// here it is only written down.

using System;
using System.Collections.Generic;
using System.Security.Cryptography;

namespace Npcw
{
    using Map = Dictionary<string, object>;

    /// <summary>One number of an entity: unit, range, role, and what becomes of NaN (`reject`, `clamp`, `mask`).</summary>
    public sealed class Field
    {
        public readonly string Name, Unit, Role, Nan, Coding;
        public readonly double Low, High, Default;
        public readonly string[] Aliases;

        public Field(
            string name, string unit, double low, double high, string role = "", string nan = "reject", double @default = 0,
            string[] aliases = null, string coding = "f32")
        {
            Name = name;
            Unit = unit;
            Low = low;
            High = high;
            Role = role;
            Nan = nan;
            Default = @default;
            Aliases = aliases ?? new string[0];
            Coding = coding;
        }

        internal Map Written()
        {
            var map = new Map
            {
                { "name", Name }, { "unit", Unit }, { "low", Schema.Float(Low) }, { "high", Schema.Float(High) }, { "role", Role },
                { "nan", Nan }, { "default", Schema.Float(Default) }, { "aliases", Aliases },
            };
            if (Coding != "f32") map.Add("coding", Coding);
            return map;
        }
    }

    /// <summary>A kind of entity, how many there can be, and its fields in wire order.</summary>
    public sealed class EntityType
    {
        public readonly string Name, Role;
        public readonly int MaxCount;
        public readonly Field[] Fields;

        public EntityType(string name, string role, int maxCount, params Field[] fields)
        {
            Name = name;
            Role = role;
            MaxCount = maxCount;
            Fields = fields;
        }

        internal Map Written() => new Map
        {
            { "name", Name }, { "role", Role }, { "max_count", MaxCount }, { "fields", Array.ConvertAll(Fields, f => f.Written()) },
        };
    }

    /// <summary>One number of an NPC's command. `hold` repeats the last command where there is no plan.</summary>
    public sealed class Channel
    {
        public readonly string Name, Unit, Kind;
        public readonly double Low, High, Default;
        public readonly int Count;
        public readonly bool Hold;

        public Channel(
            string name, string unit, double low, double high, string kind = "continuous", double @default = 0, int count = 0,
            bool hold = false)
        {
            Name = name;
            Unit = unit;
            Low = low;
            High = high;
            Kind = kind;
            Default = @default;
            Count = count;
            Hold = hold;
        }

        internal Map Written() => new Map
        {
            { "name", Name }, { "unit", Unit }, { "low", Schema.Float(Low) }, { "high", Schema.Float(High) }, { "kind", Kind },
            { "default", Schema.Float(Default) }, { "count", Count }, { "hold", Hold },
        };
    }

    /// <summary>How NPC bodies move: m, m/s, m/s^2, rad/s; kind `velocity`, `car` or `grid` (which has cells).</summary>
    public sealed class Kinematics
    {
        public readonly double MaxSpeed, MaxAcceleration, Brake, Radius, TurnRate, Cell;
        public readonly string Kind;
        public readonly bool Diagonals;

        public Kinematics(
            double maxSpeed, double maxAcceleration, double brake, double radius, double turnRate, string kind = "velocity",
            double cell = 0, bool diagonals = false)
        {
            MaxSpeed = maxSpeed;
            MaxAcceleration = maxAcceleration;
            Brake = brake;
            Radius = radius;
            TurnRate = turnRate;
            Kind = kind;
            Cell = cell;
            Diagonals = diagonals;
        }

        internal Map Written()
        {
            var map = new Map
            {
                { "max_speed", Schema.Float(MaxSpeed) }, { "max_acceleration", Schema.Float(MaxAcceleration) },
                { "brake", Schema.Float(Brake) }, { "radius", Schema.Float(Radius) }, { "turn_rate", Schema.Float(TurnRate) }, { "kind", Kind },
            };
            if (Kind != "grid") return map;
            map.Add("cell", Schema.Float(Cell));
            map.Add("diagonals", Diagonals);
            return map;
        }
    }

    /// <summary>Static geometry, counter-clockwise: x, y of one vertex after the other, m. Kind `wall` or `zone`.</summary>
    public sealed class Polygon
    {
        public readonly string Name, Kind;
        public readonly double[] Vertices;
        public readonly bool Opaque;

        public Polygon(string name, string kind, double[] vertices, bool opaque = true)
        {
            Name = name;
            Kind = kind;
            Vertices = vertices;
            Opaque = opaque;
        }

        internal Map Written()
        {
            var vertices = new double[Vertices.Length / 2][];
            for (int i = 0; i < vertices.Length; i++)
                vertices[i] = new[] { Schema.Float(Vertices[2 * i]), Schema.Float(Vertices[2 * i + 1]) };
            return new Map { { "name", Name }, { "kind", Kind }, { "vertices", vertices }, { "opaque", Opaque } };
        }
    }

    public sealed class Schema
    {
        public readonly string Game, Coordinates;
        public readonly double TickHz;
        public readonly double Dt; // s
        public readonly double[] Bounds; // x, y of the lower left and the upper right corner, m
        public readonly EntityType[] Entities;
        public readonly Channel[] Channels;
        public readonly Kinematics Kinematics;
        public readonly Polygon[] Polygons;
        public readonly string[] Barks;
        public readonly double[] Origin; // x, y in the world, m

        /// <summary>The bytes that HELLO carries.</summary>
        public readonly byte[] Canonical;
        /// <summary>SHA-256 of the canonical bytes, hexadecimal.</summary>
        public readonly string Sha256;
        /// <summary>The first 4 bytes of it, in every frame.</summary>
        public readonly uint Id;

        public Schema(
            string game, double tickHz, double[] bounds, EntityType[] entities, Channel[] channels, Kinematics kinematics,
            string coordinates = "wire", Polygon[] polygons = null, string[] barks = null, double[] origin = null)
        {
            Game = game;
            TickHz = tickHz;
            Dt = 1 / tickHz;
            Bounds = bounds;
            Entities = entities;
            Channels = channels;
            Kinematics = kinematics;
            Coordinates = coordinates;
            Polygons = polygons ?? new Polygon[0];
            Barks = barks ?? new string[0];
            Origin = origin ?? new double[2];
            Canonical = MsgPack.Pack(Written());
            using (var sha256 = SHA256.Create())
            {
                byte[] hash = sha256.ComputeHash(Canonical);
                Sha256 = BitConverter.ToString(hash).Replace("-", "").ToLowerInvariant();
                Id = (uint)(hash[0] << 24 | hash[1] << 16 | hash[2] << 8 | hash[3]);
            }
        }

        /// <summary>The index of a channel, -1 if there is none of that name.</summary>
        public int Channel(string name) => Array.FindIndex(Channels, channel => channel.Name == name);

        /// <summary>The entity type of a name, null if there is none.</summary>
        public EntityType Entity(string name) => Array.Find(Entities, entity => entity.Name == name);

        internal static double Float(double value) => value == 0 ? 0 : value; // no -0.0: one value, one canonical form

        private Map Written()
        {
            var map = new Map
            {
                { "game", Game }, { "tick_hz", Float(TickHz) }, { "coordinates", Coordinates },
                { "bounds", Array.ConvertAll(Bounds, Float) }, { "entities", Array.ConvertAll(Entities, e => e.Written()) },
                { "channels", Array.ConvertAll(Channels, c => c.Written()) }, { "kinematics", Kinematics.Written() },
                { "polygons", Array.ConvertAll(Polygons, p => p.Written()) }, { "barks", Barks },
            };
            if (Origin[0] != 0 || Origin[1] != 0) map.Add("origin", Array.ConvertAll(Origin, Float));
            return map;
        }
    }
}
