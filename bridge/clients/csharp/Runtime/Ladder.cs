// The last hop (PROTOCOL.md, Ladder): which command an NPC gets in this tick, whatever became of the brain.
// Arithmetic only: no I/O, no clock, no geometry.

using System;
using System.Collections.Generic;

namespace Npcw
{
    /// <summary>Where an NPC is before a tick moves anybody, on the wire's ground: m and m/s.</summary>
    public struct NpcPose
    {
        public double X, Y, Vx, Vy;

        public NpcPose(double x, double y, double vx, double vy)
        {
            X = x;
            Y = y;
            Vx = vx;
            Vy = vy;
        }
    }

    /// <summary>
    /// The game's own behaviour for an NPC without a plan: writes a number per channel into `command`, which holds the
    /// channels' defaults. Where it leaves one that is not finite, the NPC brakes.
    /// </summary>
    public delegate void Fallback(long tick, uint id, NpcPose here, float[] command);

    /// <summary>NPC-ticks per rung, and what was not executed.</summary>
    public sealed class LadderCounters
    {
        public long Planned, Tail, Callback, Brake;
        public long StaleDropped; // NPC rows of actions that came too late, twice, or for another session
        public long OffPose; // NPC-ticks in which the newest valid chunk did not match the NPC's pose
    }

    /// <summary>Where a command comes from.</summary>
    public static class Rung
    {
        public const byte Plan = 0, Tail = 1, Callback = 2, Brake = 3, None = 4;
    }

    /// <summary>What n NPCs do in a tick. It is written anew by the step after the next; arrays may be longer than n.</summary>
    public sealed class LadderResult
    {
        public int Count; // n
        public uint[] Ids = new uint[0]; // n
        public float[] Commands = new float[0]; // n k, finite and within the channels' ranges
        public byte[] Rung = new byte[0]; // n
        public uint[] Chunk = new uint[0]; // n, of the step that runs; 0 on rungs below the tail
        public ushort[] Step = new ushort[0]; // n, its index; 0 on rungs below the tail

        internal void Resize(int count, int channels)
        {
            if (count > Ids.Length)
            {
                Ids = new uint[count];
                Commands = new float[count * channels];
                Rung = new byte[count];
                Chunk = new uint[count];
                Step = new ushort[count];
            }
            Count = count;
        }

        /// <summary>The row of an NPC, -1 if there is none; `guess` is looked at first.</summary>
        internal int Row(uint id, int guess) =>
            guess < Count && Ids[guess] == id ? guess : Array.IndexOf(Ids, id, 0, Count);
    }

    public sealed class Ladder
    {
        private const int Held = 8; // newest actions kept

        private readonly Schema _schema;
        private readonly Fallback _fallback;
        private readonly int _k, _moveX, _moveY;
        private readonly float[] _low, _high, _default; // k
        private readonly float[] _command; // k, the fallback's
        private readonly List<ActionMessage> _held = new List<ActionMessage>(Held + 1); // newest first
        private Dictionary<uint, double> _former = new Dictionary<uint, double>(); // m/s^2, by NPC
        private LadderResult _last = new LadderResult(), _spare = new LadderResult();
        private long _freshSteps, _chunk, _tick;
        private double _velocityTolerance;

        /// <param name="schema">Names the channels, their ranges and the brake.</param>
        /// <param name="fallback">The game's own behaviour; without it NPCs brake.</param>
        /// <param name="before">The ladder that this one replaces: it counts on, and NPCs brake as they were told.</param>
        public Ladder(Schema schema, Fallback fallback = null, Ladder before = null)
        {
            _schema = schema;
            _fallback = fallback;
            _k = schema.Channels.Length;
            _moveX = schema.Channel("move_x");
            _moveY = schema.Channel("move_y");
            _low = Array.ConvertAll(schema.Channels, c => (float)c.Low);
            _high = Array.ConvertAll(schema.Channels, c => (float)c.High);
            _default = Array.ConvertAll(schema.Channels, c => (float)c.Default);
            _command = new float[_k];
            if (before != null) TakeOver(before);
            Start(0);
        }

        /// <summary>The session whose actions are accepted, 0 before the first.</summary>
        public uint Session { get; private set; }

        public LadderCounters Counters { get; private set; } = new LadderCounters();

        /// <summary>What each NPC did in the last tick; goes into the next snapshot.</summary>
        public LadderResult Executing { get; private set; } = new LadderResult();

        /// <summary>Begins a session with the numbers of its WELCOME; chunks of the one before are dropped, brakes stay.</summary>
        public void Start(uint session, long freshSteps = 4, double velocityTolerance = 0.05)
        {
            _former = Told();
            _held.Clear();
            Session = session;
            _freshSteps = freshSteps;
            _velocityTolerance = velocityTolerance;
            _chunk = -1;
            _tick = -1;
        }

        /// <summary>Takes a checked action in; false if it is stale and was dropped.</summary>
        public bool Accept(ActionMessage action)
        {
            if (action.Header.Session != Session || action.Chunk <= _chunk || action.LastTick <= _tick)
            {
                Counters.StaleDropped += action.Ids.Length;
                return false;
            }
            _chunk = action.Chunk;
            _held.Insert(0, action);
            if (_held.Count > Held) _held.RemoveAt(Held);
            return true;
        }

        /// <summary>Picks the commands of one tick.</summary>
        /// <param name="tick">The engine's; expected to grow.</param>
        /// <param name="n">How many NPCs there are; the arrays may be longer.</param>
        /// <param name="ids">n.</param>
        /// <param name="poses">n, before this tick moves anybody.</param>
        /// <param name="alive">n; the dead get default commands. All live without it.</param>
        public LadderResult Step(long tick, int n, uint[] ids, NpcPose[] poses, bool[] alive = null)
        {
            LadderResult result = _spare;
            result.Resize(n, _k);
            Array.Copy(ids, result.Ids, n);
            for (int i = 0; i < n; i++)
            {
                result.Chunk[i] = 0;
                result.Step[i] = 0;
                if (alive == null || alive[i]) result.Rung[i] = Pick(tick, poses[i], result, i);
                else
                {
                    result.Rung[i] = Rung.None;
                    Array.Copy(_default, 0, result.Commands, i * _k, _k);
                }
            }
            _tick = tick;
            _spare = _last;
            Executing = _last = result;
            return result;
        }

        private byte Pick(long tick, NpcPose here, LadderResult result, int i)
        {
            uint id = result.Ids[i];
            long newest = -1; // chunk of the newest that is due
            bool valid = false;
            foreach (ActionMessage action in _held)
            {
                long age = tick - action.ApplyTick;
                int row = age < 0 ? -1 : action.Row(id);
                if (row < 0) continue;
                if (newest < 0) newest = action.Chunk;
                if (tick > action.LastTick) continue;
                int at = row * action.StepCount + (int)age;
                bool fits = Fits(action, row, at, here);
                if (!valid && !fits) Counters.OffPose++;
                valid = true;
                if (!fits) continue;
                Array.Copy(action.Steps, at * _k, result.Commands, i * _k, _k);
                result.Chunk[i] = action.Chunk;
                result.Step[i] = (ushort)age;
                bool fresh = action.Chunk == newest && age < _freshSteps;
                if (fresh) Counters.Planned++;
                else Counters.Tail++;
                return fresh ? Rung.Plan : Rung.Tail;
            }
            if (!valid && _fallback != null && CallBack(tick, here, result, i))
            {
                Counters.Callback++;
                return Rung.Callback;
            }
            Brake(here, result, i);
            Counters.Brake++;
            return Rung.Brake;
        }

        private bool Fits(ActionMessage action, int row, int at, NpcPose here)
        {
            double x = here.X - action.Expected[4 * at], y = here.Y - action.Expected[4 * at + 1];
            double vx = here.Vx - action.Expected[4 * at + 2], vy = here.Vy - action.Expected[4 * at + 3];
            double tolerance = action.Tolerance[row];
            return x * x + y * y <= tolerance * tolerance
                && vx * vx + vy * vy <= _velocityTolerance * _velocityTolerance; // false for NaN
        }

        private bool CallBack(long tick, NpcPose here, LadderResult result, int i)
        {
            Array.Copy(_default, _command, _k);
            _fallback(tick, result.Ids[i], here, _command);
            for (int c = 0; c < _k; c++)
            {
                if (!IsFinite(_command[c])) return false;
                result.Commands[i * _k + c] = Clip(_command[c], c);
            }
            return true;
        }

        /// <summary>v max(0, 1 - A dt / |v|) on the move channels, the others held or default.</summary>
        private void Brake(NpcPose here, LadderResult result, int i)
        {
            int before = _last.Row(result.Ids[i], i);
            for (int c = 0; c < _k; c++)
                result.Commands[i * _k + c] = before >= 0 && _schema.Channels[c].Hold ? _last.Commands[before * _k + c] : _default[c];
            double vx = IsFinite(here.Vx) ? here.Vx : 0, vy = IsFinite(here.Vy) ? here.Vy : 0;
            double speed = Math.Sqrt(vx * vx + vy * vy);
            double kept = Math.Max(0, 1 - BrakeOf(result.Ids[i]) * _schema.Dt / Math.Max(speed, 1e-12));
            result.Commands[i * _k + _moveX] = Clip(vx * kept, _moveX);
            result.Commands[i * _k + _moveY] = Clip(vy * kept, _moveY);
        }

        private double BrakeOf(uint id)
        {
            foreach (ActionMessage action in _held)
            {
                int row = action.Row(id);
                if (row >= 0) return action.Brake[row];
            }
            double former;
            return _former.TryGetValue(id, out former) ? former : _schema.Kinematics.Brake;
        }

        /// <summary>What every NPC of the last tick brakes with, m/s^2.</summary>
        private Dictionary<uint, double> Told()
        {
            var told = new Dictionary<uint, double>();
            for (int i = 0; i < _last.Count; i++) told[_last.Ids[i]] = BrakeOf(_last.Ids[i]);
            return told;
        }

        private void TakeOver(Ladder before)
        {
            Counters = before.Counters;
            _former = before.Told();
            _last.Resize(before._last.Count, _k);
            Array.Copy(before._last.Ids, _last.Ids, _last.Count);
            for (int i = 0; i < _last.Count; i++) Array.Copy(_default, 0, _last.Commands, i * _k, _k);
        }

        private float Clip(double value, int channel) => (float)Math.Min(Math.Max(value, _low[channel]), _high[channel]);

        private static bool IsFinite(double value) => !double.IsNaN(value) && !double.IsInfinity(value);
    }
}
