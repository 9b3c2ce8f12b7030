// What a game receives: WELCOME, ERROR and ACTION.

using System;
using System.Collections.Generic;

namespace Npcw
{
    /// <summary>A session is open; these are its numbers.</summary>
    public sealed class WelcomeMessage
    {
        public readonly FrameHeader Header;
        public readonly long Major, HeartbeatMs, LeadTicks, FreshSteps;
        public readonly double VelocityTolerance; // m/s
        public readonly string SchemaSha256, Server, Control, Telemetry; // the last two are endpoints
        public readonly string Resume; // said in HELLO, it goes on with this session over another connection
        public readonly Limits Limits;
        public readonly List<string> Capabilities, Barks, Warnings;
        public readonly Dictionary<string, string> Model;

        public WelcomeMessage(FrameHeader header, Body body, Limits limits)
        {
            Header = header;
            Major = body.Integer("major", 1, 255);
            SchemaSha256 = body.Text("schema_sha256");
            Limits = body.Limits("limits");
            HeartbeatMs = body.Integer("heartbeat_ms", 1, 60000);
            LeadTicks = body.Integer("lead_ticks", 0, 1000);
            FreshSteps = body.Integer("fresh_steps", 1, 1000);
            VelocityTolerance = body.Number("velocity_tolerance");
            if (VelocityTolerance < 0) throw new ProtocolException(ErrorCode.Value, "WELCOME.velocity_tolerance: expected at least 0");
            Server = body.Text("server");
            Capabilities = body.Texts("capabilities", 64, limits.NameBytes);
            Barks = body.Texts("barks", limits.Barks, limits.NameBytes);
            Model = body.Dictionary("model", limits.TextBytes);
            Warnings = body.Texts("warnings", limits.Items, limits.TextBytes);
            Control = body.Text("control", 256);
            Telemetry = body.Text("telemetry", 256);
            Resume = body.TextIfAny("resume");
            if (header.Session == 0) throw new ProtocolException(ErrorCode.Value, "WELCOME: expected a session other than 0");
        }
    }

    /// <summary>What was wrong with something that the game sent, and what to do about it.</summary>
    public sealed class ErrorMessage
    {
        public readonly FrameHeader Header;
        public readonly ErrorCode Code;
        public readonly bool Fatal;
        public readonly string Text, Remedy;

        public ErrorMessage(FrameHeader header, Body body)
        {
            Header = header;
            Code = (ErrorCode)body.Integer("code", 1, 15);
            Fatal = body.Flag("fatal");
            Text = body.Text("text", 1024);
            Remedy = body.Text("remedy", 1024);
        }
    }

    /// <summary>Chunks of steps for n NPCs; checked, so that a game may execute them. Arrays are row-major.</summary>
    public sealed class ActionMessage
    {
        private const int SubHeaderEnd = 96;

        public readonly FrameHeader Header; // its tick is that of the snapshot answered
        public readonly long ApplyTick, ValidUntilTick;
        public readonly long ReceivedUs, PlannedUs; // brain's clock
        public readonly uint Chunk;
        public readonly int StepCount, ChannelCount; // m and k
        public readonly uint[] Ids; // n
        public readonly float[] Steps; // n m k
        public readonly float[] Expected; // n m 4: x, y, vx, vy at the start of a step
        public readonly float[] Brake; // n, m/s^2
        public readonly float[] Tolerance; // n, m
        public readonly byte[] Status; // n, bits: 1 guarded, 2 planned in this tick, 4 changed by the shield
        public readonly ushort[] Bark; // n, see Client.Bark

        private readonly Dictionary<uint, int> _rows = new Dictionary<uint, int>();

        public ActionMessage(FrameHeader header, byte[] frame, int length, Schema schema, Limits limits)
        {
            Header = header;
            header.Expect(schema);
            if (header.Dtype != 1 || header.Fields != 0 || header.Blocks != 0 || header.Extra != 48)
                throw Refused("expected dtype 1, no blocks, a sub-header of 48 bytes");
            if (header.Count > limits.Entities)
                throw new ProtocolException(ErrorCode.Limit, $"ACTION: expected at most {limits.Entities} NPCs, got {header.Count}");
            if (length < SubHeaderEnd)
                throw new ProtocolException(ErrorCode.Length, $"ACTION: expected a sub-header, got {length} bytes");
            ApplyTick = BitConverter.ToInt64(frame, 48);
            ValidUntilTick = BitConverter.ToInt64(frame, 56);
            ReceivedUs = BitConverter.ToInt64(frame, 64);
            PlannedUs = BitConverter.ToInt64(frame, 72);
            Chunk = BitConverter.ToUInt32(frame, 80);
            StepCount = BitConverter.ToUInt16(frame, 84);
            ChannelCount = BitConverter.ToUInt16(frame, 86);
            if (ChannelCount != schema.Channels.Length || BitConverter.ToUInt64(frame, 88) != 0)
                throw Refused($"expected {schema.Channels.Length} channels and reserved 0");
            if (!IsTick(ApplyTick) || !IsTick(ValidUntilTick)) throw Refused("expected ticks of 62 bits");
            if (StepCount < 1 || StepCount > limits.Steps)
                throw new ProtocolException(ErrorCode.Limit, $"ACTION: expected 1..{limits.Steps} steps, got {StepCount}");
            long n = header.Count, steps = n * StepCount;
            long size = SubHeaderEnd + 3 * FrameHeader.Padded(4 * n) + FrameHeader.Padded(4 * steps * ChannelCount)
                + FrameHeader.Padded(16 * steps) + FrameHeader.Padded(n) + FrameHeader.Padded(2 * n);
            if (length != size) throw new ProtocolException(ErrorCode.Length, $"ACTION: expected {size} bytes, got {length}");
            int at = SubHeaderEnd;
            Ids = Take<uint>(frame, ref at, n, 4);
            Steps = Take<float>(frame, ref at, steps * ChannelCount, 4);
            Expected = Take<float>(frame, ref at, steps * 4, 4);
            Brake = Take<float>(frame, ref at, n, 4);
            Tolerance = Take<float>(frame, ref at, n, 4);
            Status = Take<byte>(frame, ref at, n, 1);
            Bark = Take<ushort>(frame, ref at, n, 2);
            Check(schema.Channels);
        }

        /// <summary>The last tick that has a step.</summary>
        public long LastTick => Math.Min(ValidUntilTick, ApplyTick + StepCount - 1);

        /// <summary>The row of an NPC, -1 if it is not named.</summary>
        public int Row(uint id)
        {
            int row;
            return _rows.TryGetValue(id, out row) ? row : -1;
        }

        /// <summary>Copies an array that lies on a border of 16 bytes, and goes on to the next border.</summary>
        public static T[] Take<T>(byte[] frame, ref int at, long count, int itemBytes)
        {
            var array = new T[count];
            Buffer.BlockCopy(frame, at, array, 0, (int)count * itemBytes);
            at += (int)FrameHeader.Padded(count * itemBytes);
            return array;
        }

        private static bool IsTick(long tick) => tick >= 0 && tick <= FrameHeader.LastTick;

        private static ProtocolException Refused(string why) => new ProtocolException(ErrorCode.Value, $"ACTION: {why}");

        private static bool IsFinite(float value) => !float.IsNaN(value) && !float.IsInfinity(value);

        private void Check(Channel[] channels)
        {
            if (Header.Tick > ApplyTick || ApplyTick > ValidUntilTick) throw Refused("expected source <= apply <= valid until");
            for (int i = 0; i < Ids.Length; i++)
            {
                if (Ids[i] == 0 || _rows.ContainsKey(Ids[i])) throw Refused($"expected ids above 0, each once, got {Ids[i]}");
                _rows.Add(Ids[i], i);
            }
            for (int i = 0; i < Steps.Length; i++)
            {
                Channel channel = channels[i % ChannelCount];
                if (!(Steps[i] >= (float)channel.Low && Steps[i] <= (float)channel.High)) // false for NaN
                    throw Refused($"channel '{channel.Name}': expected {channel.Low}..{channel.High}, got {Steps[i]}");
                if (channel.Kind == "discrete" && Steps[i] != (float)Math.Floor(Steps[i]))
                    throw Refused($"channel '{channel.Name}': expected whole numbers, got {Steps[i]}");
            }
            if (!Array.TrueForAll(Expected, IsFinite)) throw Refused("expected finite poses");
            if (!Array.TrueForAll(Brake, x => IsFinite(x) && x >= 0)) throw Refused("brake: expected finite numbers of at least 0");
            if (!Array.TrueForAll(Tolerance, x => IsFinite(x) && x >= 0)) throw Refused("tolerance: expected finite numbers of at least 0");
            if (Array.Exists(Status, bits => bits > 7)) throw Refused("status: expected the bits 1, 2 and 4 only");
        }
    }
}
