// Bodies: a header and one msgpack map. Every refusal names the key.

using System;
using System.Collections.Generic;

namespace Npcw
{
    using Map = Dictionary<string, object>;

    /// <summary>Takes typed entries out of a received map; those that nobody asks for are ignored.</summary>
    public sealed class Body
    {
        private readonly Map _map;
        private readonly string _where;
        private readonly Limits _limits;

        /// <summary>Reads a frame of any kind but SNAPSHOT and ACTION.</summary>
        public Body(FrameHeader header, byte[] frame, int length, Limits limits)
        {
            _where = header.Kind.ToString().ToUpperInvariant();
            _limits = limits;
            if (header.Dtype != 0 || header.Fields != 0 || header.Count != 0 || header.Blocks != 0 || header.Flags != 0)
                throw new ProtocolException(ErrorCode.Value, $"{_where}: expected flags, count, fields, dtype and blocks 0");
            if (length != FrameHeader.Bytes + (long)header.Extra)
                throw new ProtocolException(ErrorCode.Length, $"{_where}: expected {FrameHeader.Bytes + (long)header.Extra} bytes, got {length}");
            _map = MsgPack.Unpack(frame, FrameHeader.Bytes, length, limits);
        }

        /// <summary>Returns a frame of any kind but SNAPSHOT and ACTION; count, fields, dtype and blocks are 0 there.</summary>
        public static byte[] Encode(FrameHeader header, Map body)
        {
            byte[] packed = MsgPack.Pack(body);
            var frame = new byte[FrameHeader.Bytes + packed.Length];
            header.Extra = (uint)packed.Length;
            header.Write(frame);
            packed.CopyTo(frame, FrameHeader.Bytes);
            return frame;
        }

        public long Integer(string key, long low, long high) => Integer(Take(key), key, low, high);

        public double Number(string key)
        {
            object value = Take(key);
            if (value is double || value is long || value is ulong) return Convert.ToDouble(value);
            throw Wrong(key, "a number");
        }

        public bool Flag(string key) => Take(key) as bool? ?? throw Wrong(key, "true or false");

        public string Text(string key) => Text(Take(key), key, _limits.NameBytes);

        public string Text(string key, long most) => Text(Take(key), key, most);

        /// <summary>A text that may be missing: "" then.</summary>
        public string TextIfAny(string key) => _map.ContainsKey(key) ? Text(key) : "";

        public byte[] Blob(string key, long most)
        {
            byte[] blob = Take(key) as byte[];
            return blob != null && blob.Length <= most ? blob : throw Wrong(key, $"at most {most} bytes");
        }

        public Map Map(string key) => Take(key) as Map ?? throw Wrong(key, "a map");

        public List<string> Texts(string key, long count, long most) => List(key, count).ConvertAll(item => Text(item, key, most));

        public List<long> Integers(string key, long count, long low, long high) =>
            List(key, count).ConvertAll(item => Integer(item, key, low, high));

        /// <summary>A map of texts.</summary>
        public Dictionary<string, string> Dictionary(string key, long most)
        {
            var texts = new Dictionary<string, string>();
            foreach (var pair in Map(key)) texts.Add(pair.Key, Text(pair.Value, $"{key}.{pair.Key}", most));
            return texts;
        }

        /// <summary>A map of limits; what it leaves out is as the protocol has it.</summary>
        public Limits Limits(string key)
        {
            Map given = Map(key);
            var all = new Dictionary<string, long>();
            foreach (var limit in Npcw.Limits.Protocol)
            {
                object value;
                all.Add(limit.Key, given.TryGetValue(limit.Key, out value) ? Integer(value, $"{key}.{limit.Key}", 1, uint.MaxValue) : limit.Value);
            }
            return new Limits(all);
        }

        private List<object> List(string key, long count)
        {
            var list = Take(key) as List<object>;
            return list != null && list.Count <= count ? list : throw Wrong(key, $"a list of at most {count}");
        }

        private object Take(string key)
        {
            object value;
            if (_map.TryGetValue(key, out value)) return value;
            throw new ProtocolException(ErrorCode.Value, $"{_where}: expected '{key}', got nothing");
        }

        private long Integer(object value, string key, long low, long high) =>
            value is long && (long)value >= low && (long)value <= high ? (long)value : throw Wrong(key, $"an integer {low}..{high}");

        private string Text(object value, string key, long most)
        {
            string text = value as string;
            return text != null && MsgPack.Utf8.GetByteCount(text) <= most ? text : throw Wrong(key, $"a text of at most {most} bytes");
        }

        private ProtocolException Wrong(string key, string expected) =>
            new ProtocolException(ErrorCode.Value, $"{_where}.{key}: expected {expected}");
    }
}
