// msgpack within strict bounds: plain data, canonical when written (keys sorted, shortest integers, float64).
//
// Values are null, bool, long (ulong above it), double, string, byte[], List<object> and Dictionary<string, object>.

using System;
using System.Collections;
using System.Collections.Generic;
using System.IO;
using System.Text;

namespace Npcw
{
    public static class MsgPack
    {
        public const int Depth = 8; // whatever a WELCOME says: deeper bodies would cost the game its stack

        public static readonly Encoding Utf8 = new UTF8Encoding(false, true);

        /// <summary>Returns canonical msgpack. Integers may be of any integer type, lists of any list type.</summary>
        public static byte[] Pack(object value)
        {
            var into = new MemoryStream();
            Put(into, value);
            return into.ToArray();
        }

        /// <summary>Reads one msgpack map with text keys, from a byte on to the end of the frame.</summary>
        /// <exception cref="ProtocolException">Anything else, keys twice, extension types, NaN or infinity, beyond the limits.</exception>
        public static Dictionary<string, object> Unpack(byte[] frame, int start, int length, Limits limits)
        {
            if (length - start > limits.BodyBytes)
                throw new ProtocolException(ErrorCode.Limit, $"body: expected at most {limits.BodyBytes} bytes, got {length - start}");
            var reader = new Reader(frame, start, length, limits);
            object body = reader.Take(0);
            reader.End();
            return body as Dictionary<string, object> ?? throw new ProtocolException(ErrorCode.Value, "body: expected a map");
        }

        private static void Put(Stream into, object value)
        {
            if (value == null) into.WriteByte(0xc0);
            else if (value is bool) into.WriteByte((byte)((bool)value ? 0xc3 : 0xc2));
            else if (value is double) Number(into, 0xcb, (ulong)BitConverter.DoubleToInt64Bits((double)value), 8);
            else if (value is string) Text(into, (string)value);
            else if (value is byte[]) Blob(into, (byte[])value);
            else if (value is IDictionary<string, object>) Map(into, (IDictionary<string, object>)value);
            else if (value is IList)
            {
                var list = (IList)value;
                Sized(into, list.Count, 0x90, 15, 0, 0xdc);
                foreach (object item in list) Put(into, item);
            }
            else if (value is ulong && (ulong)value > long.MaxValue) Number(into, 0xcf, (ulong)value, 8);
            else Whole(into, Convert.ToInt64(value));
        }

        private static void Whole(Stream into, long n)
        {
            if (n >= -32 && n < 128) into.WriteByte((byte)n);
            else if (n >= 0 && n <= byte.MaxValue) Number(into, 0xcc, (ulong)n, 1);
            else if (n >= 0 && n <= ushort.MaxValue) Number(into, 0xcd, (ulong)n, 2);
            else if (n >= 0 && n <= uint.MaxValue) Number(into, 0xce, (ulong)n, 4);
            else if (n >= 0) Number(into, 0xcf, (ulong)n, 8);
            else if (n >= sbyte.MinValue) Number(into, 0xd0, (ulong)n, 1);
            else if (n >= short.MinValue) Number(into, 0xd1, (ulong)n, 2);
            else if (n >= int.MinValue) Number(into, 0xd2, (ulong)n, 4);
            else Number(into, 0xd3, (ulong)n, 8);
        }

        private static void Text(Stream into, string text)
        {
            byte[] bytes = Utf8.GetBytes(text);
            Sized(into, bytes.Length, 0xa0, 31, 0xd9, 0xda);
            into.Write(bytes, 0, bytes.Length);
        }

        private static void Blob(Stream into, byte[] bytes)
        {
            Sized(into, bytes.Length, 0, -1, 0xc4, 0xc5);
            into.Write(bytes, 0, bytes.Length);
        }

        private static void Map(Stream into, IDictionary<string, object> map)
        {
            var keys = new List<string>(map.Keys);
            keys.Sort(ByBytes);
            Sized(into, keys.Count, 0x80, 15, 0, 0xde);
            foreach (string key in keys)
            {
                Text(into, key);
                Put(into, map[key]);
            }
        }

        private static int ByBytes(string a, string b)
        {
            byte[] x = Utf8.GetBytes(a), y = Utf8.GetBytes(b);
            for (int i = 0; i < Math.Min(x.Length, y.Length); i++)
                if (x[i] != y[i]) return x[i] - y[i];
            return x.Length - y.Length;
        }

        /// <summary>Writes a head with a count: within its byte up to `most`, or behind it in 8 (where `one` is not 0), 16 or 32 bits.</summary>
        private static void Sized(Stream into, int count, int small, int most, byte one, byte two)
        {
            if (count <= most) into.WriteByte((byte)(small | count));
            else if (one != 0 && count <= byte.MaxValue) Number(into, one, (ulong)count, 1);
            else if (count <= ushort.MaxValue) Number(into, two, (ulong)count, 2);
            else Number(into, (byte)(two + 1), (ulong)count, 4);
        }

        private static void Number(Stream into, byte head, ulong value, int bytes)
        {
            into.WriteByte(head);
            for (int i = bytes - 1; i >= 0; i--) into.WriteByte((byte)(value >> (8 * i)));
        }

        private sealed class Reader
        {
            private readonly byte[] _bytes;
            private readonly int _length;
            private readonly Limits _limits;
            private int _at;
            private bool _infinite;

            public Reader(byte[] bytes, int start, int length, Limits limits)
            {
                _bytes = bytes;
                _at = start;
                _length = length;
                _limits = limits;
            }

            public void End()
            {
                if (_at != _length) throw Unreadable("bytes behind it");
                if (_infinite) throw new ProtocolException(ErrorCode.Value, "body: expected finite numbers");
            }

            public object Take(int depth)
            {
                byte head = _bytes[Need(1)];
                if (head < 0x80) return (long)head;
                if (head < 0x90) return Map((uint)head & 15, depth);
                if (head < 0xa0) return Array((uint)head & 15, depth);
                if (head < 0xc0) return Text((uint)head & 31);
                if (head >= 0xe0) return (long)(sbyte)head;
                switch (head)
                {
                    case 0xc0: return null;
                    case 0xc2: return false;
                    case 0xc3: return true;
                    case 0xc4: return Blob(Number(1));
                    case 0xc5: return Blob(Number(2));
                    case 0xc6: return Blob(Number(4));
                    case 0xca: return Finite(BitConverter.ToSingle(BitConverter.GetBytes((uint)Number(4)), 0));
                    case 0xcb: return Finite(BitConverter.Int64BitsToDouble((long)Number(8)));
                    case 0xcc: return (long)Number(1);
                    case 0xcd: return (long)Number(2);
                    case 0xce: return (long)Number(4);
                    case 0xcf: return Large(Number(8));
                    case 0xd0: return (long)(sbyte)Number(1);
                    case 0xd1: return (long)(short)Number(2);
                    case 0xd2: return (long)(int)Number(4);
                    case 0xd3: return (long)Number(8);
                    case 0xd9: return Text(Number(1));
                    case 0xda: return Text(Number(2));
                    case 0xdb: return Text(Number(4));
                    case 0xdc: return Array(Number(2), depth);
                    case 0xdd: return Array(Number(4), depth);
                    case 0xde: return Map(Number(2), depth);
                    case 0xdf: return Map(Number(4), depth);
                    default: throw Unreadable("an extension type");
                }
            }

            private static ProtocolException Unreadable(string what) =>
                new ProtocolException(ErrorCode.Length, $"body: expected one msgpack map, got {what}");

            private int Need(ulong size)
            {
                if (size > (ulong)(_length - _at)) throw Unreadable("its first bytes");
                _at += (int)size;
                return _at - (int)size;
            }

            private ulong Number(int bytes)
            {
                int at = Need((ulong)bytes);
                ulong value = 0;
                for (int i = 0; i < bytes; i++) value = value << 8 | _bytes[at + i];
                return value;
            }

            private static object Large(ulong value) => value <= long.MaxValue ? (object)(long)value : value;

            private object Finite(double value)
            {
                _infinite |= double.IsNaN(value) || double.IsInfinity(value);
                return value;
            }

            private byte[] Blob(ulong size)
            {
                int at = Need(size);
                var blob = new byte[size];
                Buffer.BlockCopy(_bytes, at, blob, 0, blob.Length);
                return blob;
            }

            private string Text(ulong size)
            {
                if (size > (ulong)_limits.TextBytes) throw Unreadable("a text that is too long");
                int at = Need(size);
                try
                {
                    return Utf8.GetString(_bytes, at, (int)size);
                }
                catch (ArgumentException)
                {
                    throw Unreadable("a text that is not UTF-8");
                }
            }

            private void Enter(ulong size, int depth)
            {
                if (size > (ulong)_limits.Items) throw Unreadable("too many items");
                if (depth >= Depth) throw new ProtocolException(ErrorCode.Limit, $"body: nested deeper than {Depth}");
            }

            private List<object> Array(ulong size, int depth)
            {
                Enter(size, depth);
                var list = new List<object>();
                for (ulong i = 0; i < size; i++) list.Add(Take(depth + 1));
                return list;
            }

            private Dictionary<string, object> Map(ulong size, int depth)
            {
                Enter(size, depth);
                var map = new Dictionary<string, object>();
                for (ulong i = 0; i < size; i++)
                {
                    string key = Take(depth + 1) as string ?? throw Unreadable("a key that is no text");
                    if (map.ContainsKey(key)) throw Unreadable("a key twice");
                    map.Add(key, Take(depth + 1));
                }
                return map;
            }
        }
    }
}
