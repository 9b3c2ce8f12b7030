// A yard with four guards and somebody who walks in a circle. What one learns: declare a schema once, then Poll, Step, Push.
//
//   npc-sdk serve                              in one terminal
//   mono Yard.exe tcp://127.0.0.1:5757 30      in another: prints what the guards do, tick by tick, for 30 seconds
//
// The entities are those of the arena, whose model the brain has. Without a brain the guards stand. Turn a weight while it
// runs: examples/01_designer_script.py shows how. Nothing here is Unity's; the README has the same as a MonoBehaviour.

using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Threading;

namespace Npcw.Samples
{
    /// <summary>Somebody in the yard, on the wire's ground: m, m/s, rad.</summary>
    internal sealed class Walker
    {
        public double X, Y, Vx, Vy, Heading;
    }

    internal sealed class Yard
    {
        private const int Hz = 30;
        private const int Channels = 6; // of the schema
        private static readonly uint[] Ids = { 101, 102, 103, 104 };
        private static readonly double[,] Homes = { { -9, 1 }, { -9, -1 }, { 9, 1 }, { 9, -1 } };
        private static readonly string[] Faults = { "connecting", "not_listening", "not_ours", "lost", "silent", "local", "reported" };

        private readonly Client _client;
        private readonly TextWriter _out = Console.Out;
        private readonly Walker[] _guards = new Walker[Ids.Length];
        private readonly NpcPose[] _poses = new NpcPose[Ids.Length];
        private readonly Walker _player = new Walker { X = 3 };
        private readonly Dictionary<string, EntityBlock> _blocks = new Dictionary<string, EntityBlock>
        {
            { "player", new EntityBlock() }, { "mode", new EntityBlock() }, { "npc", new EntityBlock() },
        };
        private Fault _told;

        private Yard(string endpoint)
        {
            for (int i = 0; i < _guards.Length; i++) _guards[i] = new Walker { X = Homes[i, 0], Y = Homes[i, 1] };
            _client = new Client(new ZmqTransport(endpoint), Declared(), fallback: Stand);
        }

        private static void Main(string[] arguments)
        {
            var yard = new Yard(arguments.Length > 0 ? arguments[0] : "tcp://127.0.0.1:5757");
            double seconds = arguments.Length > 1 ? double.Parse(arguments[1], CultureInfo.InvariantCulture) : 30;
            Stopwatch clock = Stopwatch.StartNew();
            for (int tick = 0; tick < seconds * Hz; tick++)
            {
                while (clock.Elapsed.TotalSeconds * Hz < tick) Thread.Sleep(1);
                yard.Tick(tick);
            }
            yard._client.Close();
            LadderCounters c = yard._client.Ladder.Counters;
            Console.WriteLine($"counters {c.Planned} planned, {c.Tail} tail, {c.Callback} callback, {c.Brake} brake, {c.StaleDropped} dropped as stale, {c.OffPose} off their pose");
        }

        private static void Stand(long tick, uint id, NpcPose here, float[] command)
        {
            // every channel's default: nowhere to go, nothing to throw
        }

        private void Tick(int tick)
        {
            _client.Poll();
            for (int i = 0; i < Ids.Length; i++) _poses[i] = new NpcPose(_guards[i].X, _guards[i].Y, _guards[i].Vx, _guards[i].Vy);
            LadderResult result = _client.Step(tick, Ids.Length, Ids, _poses);
            for (int i = 0; i < Ids.Length; i++) Move(_guards[i], result, i);
            double angle = 0.5 * tick / Hz; // 1.5 m/s on a circle of 3 m
            _player.X = 3 * Math.Cos(angle);
            _player.Y = 3 * Math.Sin(angle);
            _player.Vx = -1.5 * Math.Sin(angle);
            _player.Vy = 1.5 * Math.Cos(angle);
            _player.Heading = Math.Atan2(_player.Vy, _player.Vx);
            Fill();
            _client.Push(tick + 1, _blocks);
            Print(tick, result);
        }

        private static void Move(Walker guard, LadderResult result, int i)
        {
            guard.Vx = result.Commands[Channels * i];
            guard.Vy = result.Commands[Channels * i + 1];
            guard.X = (float)(guard.X + guard.Vx / Hz);
            guard.Y = (float)(guard.Y + guard.Vy / Hz);
            if (result.Rung[i] <= Rung.Tail) guard.Heading = result.Commands[Channels * i + 2];
        }

        private void Fill()
        {
            PutWalker(_blocks["player"].Clear().Add(1), _player).Put(0).Put(1);
            _blocks["mode"].Clear().Add(900).Put(1);
            EntityBlock npcs = _blocks["npc"].Clear();
            for (int i = 0; i < Ids.Length; i++)
            {
                PutWalker(npcs.Add(Ids[i]), _guards[i]);
                npcs.Put(0).Put(0).Put(0).Put(0).Put(0).Put(i == 0 ? 1 : 0).Put(Homes[i, 0]).Put(Homes[i, 1]).Put(1);
            }
        }

        private static EntityBlock PutWalker(EntityBlock block, Walker walker) =>
            block.Put(walker.X).Put(walker.Y).Put(walker.Vx).Put(walker.Vy).Put(walker.Heading).Put(100);

        private void Print(int tick, LadderResult result)
        {
            Fault fault = _client.Fault;
            if (fault != null && fault.Text != _told?.Text) Console.Error.WriteLine($"{fault.Text}: {fault.Remedy}");
            _told = fault;
            _out.Write("tick {0} {1}", tick, fault == null ? "fine" : Faults[(int)fault.Kind]);
            for (int i = 0; i < Ids.Length; i++)
                _out.Write(string.Format(CultureInfo.InvariantCulture, " {0} {1:F4} {2:F4}", result.Rung[i], _guards[i].X, _guards[i].Y));
            _out.Write('\n');
            _out.Flush();
        }

        private static Schema Declared()
        {
            double pi = (float)Math.PI;
            Field[] pose =
            {
                new Field("x", "m", -16, 16, "x"), new Field("y", "m", -16, 16, "y"),
                new Field("vx", "m/s", -12, 12, "vx"), new Field("vy", "m/s", -12, 12, "vy"),
            };
            Field[] body = Joined(pose, new Field("heading", "rad", -pi, pi, "heading"), new Field("health", "hp", 0, 200, "health", @default: 100));
            Field alive = Number("alive", 1, 1);
            return new Schema(
                game: "yard",
                tickHz: Hz,
                bounds: new double[] { -12, -12, 12, 12 },
                entities: new[]
                {
                    new EntityType("player", "player", 1, Joined(body, Number("shots", 1e6), alive)),
                    new EntityType("npc", "npc", 4, Joined(
                        body, Number("ammo", 100), new Field("cooldown", "s", 0, 10, "cooldown"), Number("grenades", 10), Number("shots", 1e6),
                        Number("squad", 63), Number("leader", 1), new Field("home_x", "m", -16, 16, "home_x"),
                        new Field("home_y", "m", -16, 16, "home_y"), alive)),
                    new EntityType("grenade", "projectile", 1, Joined(pose, new Field("fuse", "s", 0, 10, "fuse"))),
                    new EntityType("mode", "mode", 1, Number("hold_fire", 1)),
                },
                channels: new[]
                {
                    new Channel("move_x", "m/s", -6, 6),
                    new Channel("move_y", "m/s", -6, 6),
                    new Channel("aim", "rad", -pi, pi, hold: true),
                    new Channel("fire", "1", 0, 1, "discrete", count: 2),
                    new Channel("throw", "1", 0, 1, "discrete", count: 2),
                    new Channel("reach", "m", 0, 10),
                },
                kinematics: new Kinematics(maxSpeed: 4, maxAcceleration: 16, brake: 16, radius: 0.35, turnRate: 2 * Math.PI),
                polygons: new[] { new Polygon("shed", "wall", new double[] { -1, 7, 1, 7, 1, 9, -1, 9 }) });
        }

        private static Field Number(string name, double high, double @default = 0) => new Field(name, "1", 0, high, name, @default: @default);

        private static Field[] Joined(Field[] first, params Field[] more)
        {
            var all = new Field[first.Length + more.Length];
            first.CopyTo(all, 0);
            more.CopyTo(all, first.Length);
            return all;
        }
    }
}
