// What a game sends in every tick: where everything is, and what each NPC did in the tick before.

using System;
using System.Collections.Generic;

namespace Npcw
{
    /// <summary>The entities of one type. Fill it anew in every tick: Clear, then per entity Add and a Put per field.</summary>
    public sealed class EntityBlock
    {
        public uint[] Ids = new uint[16];
        public float[] Values = new float[256];

        /// <summary>Rows and numbers that are filled; the arrays may be longer.</summary>
        public int Count, ValueCount;

        public EntityBlock Clear()
        {
            Count = ValueCount = 0;
            return this;
        }

        /// <summary>Begins an entity's row; its id is above 0 and never another entity's in the same session.</summary>
        public EntityBlock Add(uint id)
        {
            if (Count == Ids.Length) Array.Resize(ref Ids, 2 * Count);
            Ids[Count++] = id;
            return this;
        }

        /// <summary>Writes the next field.</summary>
        public EntityBlock Put(double value)
        {
            if (ValueCount == Values.Length) Array.Resize(ref Values, 2 * ValueCount);
            Values[ValueCount++] = (float)value;
            return this;
        }
    }

    /// <summary>Writes SNAPSHOT frames, one after the other into the same bytes.</summary>
    public sealed class SnapshotWriter
    {
        private int _at;

        /// <summary>The last frame; what is behind its length is of older ones.</summary>
        public byte[] Frame { get; private set; } = new byte[4096];

        /// <summary>Writes a frame and returns its length.</summary>
        /// <param name="header">Session, schema id, tick, time, sequence and flags.</param>
        /// <param name="blocks">Rows by entity type; a type may be left out.</param>
        /// <param name="executing">What each NPC did in the last tick.</param>
        /// <exception cref="ArgumentException">The blocks are not as the schema declares them.</exception>
        public int Write(FrameHeader header, Schema schema, Dictionary<string, EntityBlock> blocks, LadderResult executing)
        {
            Begin(header, schema, blocks, executing);
            _at = FrameHeader.Bytes;
            for (int i = 0; i < schema.Entities.Length; i++)
            {
                EntityBlock block;
                if (!blocks.TryGetValue(schema.Entities[i].Name, out block)) continue;
                FrameHeader.Put(Frame, _at, (ulong)i, 2);
                FrameHeader.Put(Frame, _at + 2, (ulong)schema.Entities[i].Fields.Length, 2);
                FrameHeader.Put(Frame, _at + 4, (ulong)block.Count, 4);
                _at += 8;
            }
            Pad();
            foreach (EntityType entity in schema.Entities)
            {
                EntityBlock block;
                if (!blocks.TryGetValue(entity.Name, out block)) continue;
                Copy(block.Ids, 4 * block.Count);
                Copy(block.Values, 4 * block.ValueCount);
            }
            Copy(executing.Ids, 4 * executing.Count);
            Copy(executing.Chunk, 4 * executing.Count);
            Copy(executing.Step, 2 * executing.Count);
            Copy(executing.Rung, executing.Count);
            return _at;
        }

        /// <summary>Checks the blocks, makes room for all of the frame, and writes its header.</summary>
        private void Begin(FrameHeader header, Schema schema, Dictionary<string, EntityBlock> blocks, LadderResult executing)
        {
            int present = 0, rows = 0;
            long size = 0, doing = executing.Count;
            foreach (EntityType entity in schema.Entities)
            {
                EntityBlock block;
                if (!blocks.TryGetValue(entity.Name, out block)) continue;
                long cells = (long)block.Count * entity.Fields.Length;
                if (block.ValueCount != cells)
                    throw new ArgumentException($"entity '{entity.Name}': expected {cells} values, got {block.ValueCount}");
                size += FrameHeader.Padded(4L * block.Count) + FrameHeader.Padded(4 * cells);
                rows += block.Count;
                present++;
            }
            if (present != blocks.Count)
                throw new ArgumentException($"SNAPSHOT: expected entity types of the schema, got {string.Join(", ", blocks.Keys)}");
            size += FrameHeader.Bytes + FrameHeader.Padded(8 * present);
            size += 2 * FrameHeader.Padded(4 * doing) + FrameHeader.Padded(2 * doing) + FrameHeader.Padded(doing);
            if (size > Frame.Length) Frame = new byte[2 * size];
            header.Kind = FrameKind.Snapshot;
            header.Count = (uint)rows;
            header.Fields = 0;
            header.Dtype = 1;
            header.Blocks = (byte)present;
            header.Extra = (uint)doing;
            header.Write(Frame);
        }

        private void Copy(Array from, int bytes)
        {
            Buffer.BlockCopy(from, 0, Frame, _at, bytes);
            _at += bytes;
            Pad();
        }

        private void Pad()
        {
            while (_at % 16 != 0) Frame[_at++] = 0;
        }
    }
}
