// What every frame of NPCW 1 begins with (PROTOCOL.md, Header). No I/O, no clock.
//
// All numbers are little-endian, and so is every machine that Unity runs on: blocks are copied as they are.

using System;
using System.Collections.Generic;

namespace Npcw
{
    public enum FrameKind : byte
    {
        Hello = 1, Welcome, Schema, Snapshot, Action, Error, Control, Ack, Telemetry, Bye,
    }

    public enum ErrorCode
    {
        Magic = 1, Version, Schema, Length, Limit, Value, Session, Auth, Busy, Deadline, Stale, Keyframe, Control, Model, Internal,
    }

    [Flags]
    public enum FrameFlags : ushort
    {
        None = 0, Keyframe = 1, Delta = 2, Fallback = 4, Replay = 8,
    }

    /// <summary>A frame that breaks the protocol; the code is what a receiver answers.</summary>
    public sealed class ProtocolException : Exception
    {
        public readonly ErrorCode Code;

        public ProtocolException(ErrorCode code, string message) : base(message)
        {
            Code = code;
        }
    }

    /// <summary>How large things may be: the protocol's own numbers, or those of a WELCOME.</summary>
    public sealed class Limits
    {
        /// <summary>All names, with the numbers that hold until a WELCOME tells others.</summary>
        public static readonly IReadOnlyDictionary<string, long> Protocol = new Dictionary<string, long>
        {
            { "frame_bytes", 1 << 20 }, { "body_bytes", 1 << 18 }, { "schema_bytes", 1 << 16 }, { "depth", 8 }, { "items", 4096 },
            { "text_bytes", 4096 }, { "name_bytes", 64 }, { "entity_types", 16 }, { "entities", 4096 }, { "fields", 256 },
            { "channels", 64 }, { "steps", 64 }, { "polygons", 1024 }, { "vertices", 256 }, { "barks", 1024 }, { "games", 64 },
            { "snapshots_per_s", 240 }, { "controls_per_s", 30 }, { "bad_messages", 10 },
        };

        public static readonly Limits Default = new Limits(Protocol);

        public readonly IReadOnlyDictionary<string, long> All;
        public readonly long FrameBytes, BodyBytes, SchemaBytes, Items, TextBytes, NameBytes, Entities, Steps, Barks;

        public Limits(IReadOnlyDictionary<string, long> all)
        {
            All = all;
            FrameBytes = all["frame_bytes"];
            BodyBytes = all["body_bytes"];
            SchemaBytes = all["schema_bytes"];
            Items = all["items"];
            TextBytes = all["text_bytes"];
            NameBytes = all["name_bytes"];
            Entities = all["entities"];
            Steps = all["steps"];
            Barks = all["barks"];
        }
    }

    /// <summary>The 48 bytes that every frame begins with.</summary>
    public struct FrameHeader
    {
        public const int Bytes = 48;
        public const byte Major = 1;
        public const long LastTick = (1L << 62) - 1;

        public FrameKind Kind;
        public FrameFlags Flags;
        public uint Session;
        public uint SchemaId;
        public long Tick;
        public long TimeUs;
        public uint Sequence;
        public uint Count;
        public ushort Fields;
        public byte Dtype;
        public byte Blocks;
        public uint Extra;

        /// <summary>Writes the header into the start of a frame.</summary>
        public void Write(byte[] frame)
        {
            frame[0] = (byte)'N';
            frame[1] = (byte)'P';
            frame[2] = (byte)'C';
            frame[3] = (byte)'W';
            frame[4] = Major;
            frame[5] = (byte)Kind;
            Put(frame, 6, (ushort)Flags, 2);
            Put(frame, 8, Session, 4);
            Put(frame, 12, SchemaId, 4);
            Put(frame, 16, (ulong)Tick, 8);
            Put(frame, 24, (ulong)TimeUs, 8);
            Put(frame, 32, Sequence, 4);
            Put(frame, 36, Count, 4);
            Put(frame, 40, Fields, 2);
            frame[42] = Dtype;
            frame[43] = Blocks;
            Put(frame, 44, Extra, 4);
        }

        /// <summary>Reads and checks what all kinds share.</summary>
        /// <exception cref="ProtocolException">The frame is too long, too short, of another protocol, version or kind.</exception>
        public static FrameHeader Read(byte[] frame, int length, Limits limits)
        {
            if (length > limits.FrameBytes)
                throw new ProtocolException(ErrorCode.Limit, $"message: expected at most {limits.FrameBytes} bytes, got {length}");
            if (length < 4 || frame[0] != 'N' || frame[1] != 'P' || frame[2] != 'C' || frame[3] != 'W')
                throw new ProtocolException(ErrorCode.Magic, "message: expected it to begin with NPCW");
            if (length < 6)
                throw new ProtocolException(ErrorCode.Length, $"message: expected at least {Bytes} bytes, got {length}");
            if (frame[4] != Major)
                throw new ProtocolException(ErrorCode.Version, $"message: expected major version {Major}, got {frame[4]}");
            if (length < Bytes)
                throw new ProtocolException(ErrorCode.Length, $"message: expected at least {Bytes} bytes, got {length}");
            var header = new FrameHeader
            {
                Kind = (FrameKind)frame[5],
                Flags = (FrameFlags)BitConverter.ToUInt16(frame, 6),
                Session = BitConverter.ToUInt32(frame, 8),
                SchemaId = BitConverter.ToUInt32(frame, 12),
                Tick = BitConverter.ToInt64(frame, 16),
                TimeUs = BitConverter.ToInt64(frame, 24),
                Sequence = BitConverter.ToUInt32(frame, 32),
                Count = BitConverter.ToUInt32(frame, 36),
                Fields = BitConverter.ToUInt16(frame, 40),
                Dtype = frame[42],
                Blocks = frame[43],
                Extra = BitConverter.ToUInt32(frame, 44),
            };
            if (header.Kind < FrameKind.Hello || header.Kind > FrameKind.Bye)
                throw new ProtocolException(ErrorCode.Value, $"message: expected a kind 1..10, got {frame[5]}");
            if ((int)header.Flags > 15)
                throw new ProtocolException(ErrorCode.Value, $"{header.Kind}: unknown flags {(int)header.Flags}");
            if ((header.Flags & FrameFlags.Delta) != 0 && header.Kind != FrameKind.Snapshot)
                throw new ProtocolException(ErrorCode.Value, $"{header.Kind}: expected no delta");
            if (header.Tick < 0 || header.Tick > LastTick)
                throw new ProtocolException(ErrorCode.Value, $"{header.Kind}: expected ticks up to {LastTick}");
            return header;
        }

        /// <summary>Refuses a frame that was written for another schema.</summary>
        public void Expect(Schema schema)
        {
            if (SchemaId != schema.Id)
                throw new ProtocolException(ErrorCode.Schema, $"{Kind}: expected schema id {schema.Id:x8}, got {SchemaId:x8}");
        }

        /// <summary>Bytes that a block of so many takes: its end is a multiple of 16.</summary>
        public static long Padded(long size) => (size + 15) / 16 * 16;

        /// <summary>Writes the lowest bytes of a number, little-endian.</summary>
        public static void Put(byte[] into, int at, ulong value, int bytes)
        {
            for (int i = 0; i < bytes; i++) into[at + i] = (byte)(value >> (8 * i));
        }
    }
}
