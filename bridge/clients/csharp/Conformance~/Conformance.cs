// What `python -m npc_bridge.conformance check mono Conformance.exe` runs: mono Conformance.exe FOLDER VERDICTS
//
// Reads every frame of the cases and writes it again, or says by which code it is refused; plays the ladder's scripts;
// converts places and angles. Kinds that a game only sends are read here, and nowhere else in this client.

using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using Npcw;

using Map = System.Collections.Generic.Dictionary<string, object>;

internal static class Conformance
{
    private static readonly Limits Default = Limits.Default;
    private static readonly SnapshotWriter Writer = new SnapshotWriter(); // one, as in a game: what older frames left must not show
    private static string _folder;
    private static Schema _schema;

    private static void Main(string[] arguments)
    {
        _folder = arguments[0];
        byte[] canonical = Bytes("schema.bin");
        _schema = ReadSchema(canonical);
        File.WriteAllLines(arguments[1], Lines("cases.txt").SelectMany(Verdicts));
    }

    private static byte[] Bytes(string name) => File.ReadAllBytes(Path.Combine(_folder, name));

    private static string[] Lines(string name) => File.ReadAllLines(Path.Combine(_folder, name));

    private static IEnumerable<string> Verdicts(string line)
    {
        string[] words = line.Split(' ');
        if (words[0] == "frame") return new[] { $"{line} {Frame(words[1])}" };
        if (words[0] == "ladder") return Play(words[1]).Select(said => $"{line} {said}");
        if (words[1] == "unity") return Converted(words[1], Preset.Unity).Select(said => $"{line} {said}");
        if (words[1] == "wire") return Converted(words[1], Preset.Wire).Select(said => $"{line} {said}");
        return new string[0];
    }

    // ---- frames

    private static string Frame(string name)
    {
        try
        {
            byte[] again = Again(Bytes(name + ".bin"));
            return "ok " + (again == null ? "-" : BitConverter.ToString(again).Replace("-", "").ToLowerInvariant());
        }
        catch (ProtocolException error)
        {
            return $"error {(int)error.Code}";
        }
    }

    /// <summary>Returns a frame as this client writes what it read; null for what it never writes.</summary>
    private static byte[] Again(byte[] frame)
    {
        FrameHeader header = FrameHeader.Read(frame, frame.Length, Default);
        if (header.Kind == FrameKind.Snapshot)
        {
            if ((header.Flags & FrameFlags.Delta) == 0) return ReadSnapshot(frame, header);
            ReadDelta(frame, header);
            return null;
        }
        if (header.Kind == FrameKind.Action)
        {
            ReadAction(frame);
            return null;
        }
        return Body.Encode(header, Told(header, new Body(header, frame, frame.Length, Default)));
    }

    private static ActionMessage ReadAction(byte[] frame) =>
        new ActionMessage(FrameHeader.Read(frame, frame.Length, Default), frame, frame.Length, _schema, Default);

    private static Map Told(FrameHeader header, Body body)
    {
        switch (header.Kind)
        {
            case FrameKind.Hello:
                var hello = new Map
                {
                    { "majors", body.Integers("majors", 16, 0, 255) }, { "client", body.Text("client") }, { "game", body.Text("game") },
                    { "schema", body.Blob("schema", Default.SchemaBytes) }, { "capabilities", body.Texts("capabilities", 64, Default.NameBytes) },
                };
                CheckSchema(header, (byte[])hello["schema"]);
                AddResume(hello, body.TextIfAny("resume"));
                return hello;
            case FrameKind.Welcome:
                return Told(new WelcomeMessage(header, body, Default));
            case FrameKind.Schema:
                byte[] schema = body.Blob("schema", Default.SchemaBytes);
                CheckSchema(header, schema);
                return new Map { { "schema", schema } };
            case FrameKind.Error:
                var error = new ErrorMessage(header, body);
                return new Map { { "code", (int)error.Code }, { "fatal", error.Fatal }, { "text", error.Text }, { "remedy", error.Remedy } };
            case FrameKind.Control:
                return new Map { { "verb", body.Text("verb") }, { "arguments", body.Map("arguments") } };
            case FrameKind.Ack:
                return new Map
                {
                    { "revision", body.Integer("revision", 0, uint.MaxValue) }, { "code", body.Integer("code", 0, 15) },
                    { "text", body.Text("text", 1024) }, { "result", body.Map("result") },
                };
            case FrameKind.Telemetry:
                return new Map { { "topic", body.Text("topic") }, { "body", body.Map("body") } };
            default:
                return new Map();
        }
    }

    private static void AddResume(Map told, string resume)
    {
        if (resume != "") told["resume"] = resume;
    }

    private static Map Told(WelcomeMessage welcome)
    {
        Map told = Numbers(welcome);
        AddResume(told, welcome.Resume);
        return told;
    }

    private static Map Numbers(WelcomeMessage welcome) => new Map
    {
        { "major", welcome.Major }, { "schema_sha256", welcome.SchemaSha256 },
        { "limits", welcome.Limits.All.ToDictionary(limit => limit.Key, limit => (object)limit.Value) },
        { "heartbeat_ms", welcome.HeartbeatMs }, { "lead_ticks", welcome.LeadTicks }, { "fresh_steps", welcome.FreshSteps },
        { "velocity_tolerance", welcome.VelocityTolerance }, { "server", welcome.Server }, { "capabilities", welcome.Capabilities },
        { "barks", welcome.Barks }, { "model", welcome.Model.ToDictionary(text => text.Key, text => (object)text.Value) },
        { "warnings", welcome.Warnings }, { "control", welcome.Control }, { "telemetry", welcome.Telemetry },
    };

    // ---- schemas

    private static void CheckSchema(FrameHeader header, byte[] canonical)
    {
        Schema schema;
        try
        {
            schema = ReadSchema(canonical);
        }
        catch (Exception error) when (error is ProtocolException || error is KeyNotFoundException || error is InvalidCastException)
        {
            throw new ProtocolException(ErrorCode.Schema, error.Message);
        }
        Kinematics body = schema.Kinematics;
        double needed = 2 * body.Cell * (body.Diagonals ? Math.Sqrt(2) : 1) * schema.TickHz * schema.TickHz;
        if (body.Kind == "grid" && Math.Min(body.Brake, body.MaxAcceleration) < needed)
            throw new ProtocolException(ErrorCode.Schema, "kinematics: expected to stop at once");
        header.Expect(schema);
    }

    /// <summary>Reads canonical bytes, and sees to it that they are written as they were.</summary>
    private static Schema ReadSchema(byte[] canonical)
    {
        Map map = MsgPack.Unpack(canonical, 0, canonical.Length, Default);
        Map body = (Map)map["kinematics"];
        var schema = new Schema(
            (string)map["game"], Double(map["tick_hz"]), Doubles(map["bounds"]),
            Maps(map["entities"]).ConvertAll(ReadEntity).ToArray(), Maps(map["channels"]).ConvertAll(ReadChannel).ToArray(),
            new Kinematics(
                Double(body["max_speed"]), Double(body["max_acceleration"]), Double(body["brake"]), Double(body["radius"]),
                Double(body["turn_rate"]), (string)body["kind"], body.ContainsKey("cell") ? Double(body["cell"]) : 0,
                body.ContainsKey("diagonals") && (bool)body["diagonals"]),
            (string)map["coordinates"], Maps(map["polygons"]).ConvertAll(ReadPolygon).ToArray(), Strings(map["barks"]),
            map.ContainsKey("origin") ? Doubles(map["origin"]) : null);
        if (!schema.Canonical.SequenceEqual(canonical)) throw new ProtocolException(ErrorCode.Schema, "schema: expected canonical bytes");
        return schema;
    }

    private static EntityType ReadEntity(Map map) => new EntityType(
        (string)map["name"], (string)map["role"], (int)(long)map["max_count"], Maps(map["fields"]).ConvertAll(ReadField).ToArray());

    private static Field ReadField(Map map) => new Field(
        (string)map["name"], (string)map["unit"], Double(map["low"]), Double(map["high"]), (string)map["role"], (string)map["nan"],
        Double(map["default"]), Strings(map["aliases"]), map.ContainsKey("coding") ? (string)map["coding"] : "f32");

    private static Channel ReadChannel(Map map) => new Channel(
        (string)map["name"], (string)map["unit"], Double(map["low"]), Double(map["high"]), (string)map["kind"], Double(map["default"]),
        (int)(long)map["count"], (bool)map["hold"]);

    private static Polygon ReadPolygon(Map map) => new Polygon(
        (string)map["name"], (string)map["kind"], ((List<object>)map["vertices"]).SelectMany(Doubles).ToArray(), (bool)map["opaque"]);

    private static List<Map> Maps(object list) => ((List<object>)list).ConvertAll(item => (Map)item);

    private static string[] Strings(object list) => ((List<object>)list).ConvertAll(item => (string)item).ToArray();

    /// <summary>Reads 0 as -0.0, which a game may compute and the canonical form does not have.</summary>
    private static double Double(object value) => (double)value == 0 ? -0.0 : (double)value;

    private static double[] Doubles(object list) => ((List<object>)list).ConvertAll(Double).ToArray();

    // ---- snapshots

    /// <summary>The rows of one entity type that a block table announces.</summary>
    private struct Announced
    {
        public EntityType Entity;
        public int Rows;

        public int Cells => Rows * Entity.Fields.Length;
    }

    /// <summary>Checks header and block table.</summary>
    private static List<Announced> ReadTable(byte[] frame, FrameHeader header, int start)
    {
        header.Expect(_schema);
        if (header.Dtype != 1 || header.Fields != 0) throw new ProtocolException(ErrorCode.Value, "SNAPSHOT: expected dtype 1 and fields 0");
        if (header.Blocks > _schema.Entities.Length) throw new ProtocolException(ErrorCode.Limit, "SNAPSHOT: too many blocks");
        if (header.Count > Default.Entities || header.Extra > Default.Entities) throw new ProtocolException(ErrorCode.Limit, "SNAPSHOT: too many rows");
        Expect(frame, start + FrameHeader.Padded(8 * header.Blocks));
        var table = new List<Announced>();
        int last = -1;
        long rows = 0;
        for (int at = start; at < start + 8 * header.Blocks; at += 8)
        {
            int index = BitConverter.ToUInt16(frame, at), width = BitConverter.ToUInt16(frame, at + 2);
            uint n = BitConverter.ToUInt32(frame, at + 4);
            if (index <= last || index >= _schema.Entities.Length || width != _schema.Entities[index].Fields.Length)
                throw new ProtocolException(ErrorCode.Value, "SNAPSHOT: block table");
            EntityType entity = _schema.Entities[index];
            if (n > entity.MaxCount) throw new ProtocolException(ErrorCode.Limit, $"entity '{entity.Name}': expected at most {entity.MaxCount} rows, got {n}");
            table.Add(new Announced { Entity = entity, Rows = (int)n });
            last = index;
            rows += n;
        }
        if (rows != header.Count) throw new ProtocolException(ErrorCode.Value, $"SNAPSHOT: expected {header.Count} rows in all, got {rows}");
        return table;
    }

    private static void Expect(byte[] frame, long size)
    {
        if (frame.Length < size) throw new ProtocolException(ErrorCode.Length, $"SNAPSHOT: expected at least {size} bytes, got {frame.Length}");
    }

    private static byte[] ReadSnapshot(byte[] frame, FrameHeader header)
    {
        List<Announced> table = ReadTable(frame, header, FrameHeader.Bytes);
        int at = FrameHeader.Bytes + (int)FrameHeader.Padded(8 * table.Count), x = (int)header.Extra;
        long size = at + table.Sum(one => FrameHeader.Padded(4 * one.Rows) + FrameHeader.Padded(4 * one.Cells))
            + 2 * FrameHeader.Padded(4 * x) + FrameHeader.Padded(2 * x) + FrameHeader.Padded(x);
        if (frame.Length != size) throw new ProtocolException(ErrorCode.Length, $"SNAPSHOT: expected {size} bytes, got {frame.Length}");
        var blocks = new Dictionary<string, EntityBlock>();
        foreach (Announced one in table)
        {
            uint[] ids = ActionMessage.Take<uint>(frame, ref at, one.Rows, 4);
            float[] values = ActionMessage.Take<float>(frame, ref at, one.Cells, 4);
            blocks.Add(one.Entity.Name, new EntityBlock { Ids = ids, Values = values, Count = one.Rows, ValueCount = one.Cells });
            CheckValues(one.Entity, values);
        }
        var executing = new LadderResult
        {
            Count = x, Ids = ActionMessage.Take<uint>(frame, ref at, x, 4), Chunk = ActionMessage.Take<uint>(frame, ref at, x, 4),
            Step = ActionMessage.Take<ushort>(frame, ref at, x, 2), Rung = ActionMessage.Take<byte>(frame, ref at, x, 1),
        };
        CheckIds(blocks.Values.SelectMany(block => block.Ids));
        CheckIds(executing.Ids);
        if (executing.Rung.Any(rung => rung > Rung.None)) throw new ProtocolException(ErrorCode.Value, "executing: expected rungs 0..4");
        int length = Writer.Write(header, _schema, blocks, executing);
        return Writer.Frame.Take(length).ToArray();
    }

    private static void CheckValues(EntityType entity, float[] values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            Field field = entity.Fields[i % entity.Fields.Length];
            if ((float.IsNaN(values[i]) || float.IsInfinity(values[i])) && field.Nan == "reject")
                throw new ProtocolException(ErrorCode.Value, $"field '{field.Name}': expected a number, got {values[i]}");
        }
    }

    private static void CheckIds(IEnumerable<uint> ids)
    {
        var seen = new HashSet<uint> { 0 };
        foreach (uint id in ids)
            if (!seen.Add(id)) throw new ProtocolException(ErrorCode.Value, $"SNAPSHOT: expected ids above 0, each once, got {id}");
    }

    private static void ReadDelta(byte[] frame, FrameHeader header)
    {
        Expect(frame, FrameHeader.Bytes + 16);
        ulong baseline = BitConverter.ToUInt64(frame, 48);
        bool keyframe = (header.Flags & FrameFlags.Keyframe) != 0;
        if (BitConverter.ToUInt64(frame, 56) != 0 || (keyframe ? baseline != 0 : baseline >= (ulong)header.Tick))
            throw new ProtocolException(ErrorCode.Value, "SNAPSHOT: baseline");
        List<Announced> table = ReadTable(frame, header, FrameHeader.Bytes + 16);
        long at = FrameHeader.Bytes + 16 + FrameHeader.Padded(8 * table.Count);
        foreach (Announced one in table)
        {
            at += FrameHeader.Padded(4 * one.Rows);
            Expect(frame, at + FrameHeader.Padded((one.Cells + 7) / 8));
            long[] counts = CountChanged(frame, (int)at, one);
            at += FrameHeader.Padded((one.Cells + 7) / 8) + FrameHeader.Padded(4 * counts[0]) + FrameHeader.Padded(2 * counts[1])
                + FrameHeader.Padded(2 * counts[2]) + FrameHeader.Padded(counts[3]);
            Expect(frame, at);
        }
        at += 2 * FrameHeader.Padded(4 * header.Extra) + FrameHeader.Padded(2 * header.Extra) + FrameHeader.Padded(header.Extra);
        if (frame.Length != at) throw new ProtocolException(ErrorCode.Length, $"SNAPSHOT: expected {at} bytes, got {frame.Length}");
    }

    /// <summary>Returns how many cells have changed, by coding: f32, f16, q16, q8.</summary>
    private static long[] CountChanged(byte[] frame, int bits, Announced one)
    {
        string[] codings = { "f32", "f16", "q16", "q8" };
        var counts = new long[codings.Length];
        for (int cell = 0; cell < (one.Cells + 7) / 8 * 8; cell++)
        {
            if ((frame[bits + cell / 8] & 1 << cell % 8) == 0) continue;
            if (cell >= one.Cells) throw new ProtocolException(ErrorCode.Value, $"entity '{one.Entity.Name}': expected 0 behind its cells");
            counts[Array.IndexOf(codings, one.Entity.Fields[cell % one.Entity.Fields.Length].Coding)]++;
        }
        return counts;
    }

    // ---- ladder and coordinates

    private static IEnumerable<string> Play(string name)
    {
        var ladder = new Ladder(_schema);
        foreach (string line in Lines(name + ".txt"))
        {
            string[] words = line.Split(' ');
            if (words[0] == "start") ladder.Start(uint.Parse(words[1]), long.Parse(words[2]), Parsed(words[3]));
            if (words[0] == "accept") yield return $"accepted {(ladder.Accept(ReadAction(FromHex(words[1]))) ? 1 : 0)}";
            if (words[0] == "step") yield return Step(ladder, words);
        }
        LadderCounters c = ladder.Counters;
        yield return $"counters {c.Planned} {c.Tail} {c.Callback} {c.Brake} {c.StaleDropped} {c.OffPose}";
    }

    private static string Step(Ladder ladder, string[] words)
    {
        int n = (words.Length - 2) / 5, k = _schema.Channels.Length;
        var ids = new uint[n];
        var poses = new NpcPose[n];
        for (int i = 0; i < n; i++)
        {
            ids[i] = uint.Parse(words[2 + 5 * i]);
            poses[i] = new NpcPose(Parsed(words[3 + 5 * i]), Parsed(words[4 + 5 * i]), Parsed(words[5 + 5 * i]), Parsed(words[6 + 5 * i]));
        }
        LadderResult result = ladder.Step(long.Parse(words[1]), n, ids, poses);
        var said = new List<string> { "step" };
        for (int i = 0; i < n; i++)
        {
            said.Add($"{result.Rung[i]} {result.Chunk[i]} {result.Step[i]}");
            for (int c = 0; c < k; c++) said.Add(result.Commands[k * i + c].ToString("R", CultureInfo.InvariantCulture));
        }
        return string.Join(" ", said);
    }

    private static IEnumerable<string> Converted(string name, Preset preset)
    {
        foreach (string line in Lines(name + ".txt"))
        {
            double[] asked = Array.ConvertAll(line.Split(' '), Parsed);
            double[] made =
            {
                preset.ToWire(asked[0]), preset.ToWire(asked[1]), preset.AngleToWire(asked[2]),
                preset.FromWire(asked[0]), preset.FromWire(asked[1]), preset.AngleFromWire(asked[2]),
            };
            yield return "converted " + string.Join(" ", made.Select(x => x.ToString("R", CultureInfo.InvariantCulture)));
        }
    }

    private static double Parsed(string word)
    {
        switch (word)
        {
            case "nan": return double.NaN;
            case "inf": return double.PositiveInfinity;
            case "-inf": return double.NegativeInfinity;
            default: return double.Parse(word, CultureInfo.InvariantCulture);
        }
    }

    private static byte[] FromHex(string hex)
    {
        var bytes = new byte[hex.Length / 2];
        for (int i = 0; i < bytes.Length; i++) bytes[i] = Convert.ToByte(hex.Substring(2 * i, 2), 16);
        return bytes;
    }
}
