// The game's end of a session: Poll, Step, Push in every tick. Nothing here waits, and nothing throws for what a brain does.

using System;
using System.Collections.Generic;
using System.Diagnostics;

namespace Npcw
{
    public enum FaultKind
    {
        Connecting, NotListening, NotOurs, Lost, Silent, Local, Reported,
    }

    /// <summary>What is wrong now, and what to do about it.</summary>
    public sealed class Fault
    {
        public readonly FaultKind Kind;
        public readonly string Text, Remedy;

        internal readonly long Tick; // of the snapshot that a passing fault is about; 0: it lasts until the next answer

        internal Fault(FaultKind kind, string text, string remedy, long tick = 0)
        {
            Kind = kind;
            Text = text;
            Remedy = remedy;
            Tick = tick;
        }
    }

    public sealed class Client
    {
        private const long HelloAgainUs = 250000; // an unanswered HELLO is repeated
        private const long RefusedAgainUs = 1000000; // a refused game asks again
        private const long DeafUs = 500000; // a peer that has not answered HELLO by then is not ours, or hangs
        private const long SilentUs = 1500000; // without actions while snapshots are sent
        private const int FramesPerPoll = 16;

        private enum Phase
        {
            Idle, Greeting, Live, Refused,
        }

        private readonly ITransport _transport;
        private readonly string _name;
        private readonly Fallback _fallback;
        private readonly Func<long> _clockUs;
        private readonly byte[] _inbox = new byte[Limits.Default.FrameBytes];
        private readonly SnapshotWriter _snapshots = new SnapshotWriter();
        private readonly List<ActionMessage> _accepted = new List<ActionMessage>();
        private Phase _phase = Phase.Idle;
        private uint _nonce, _sequence;
        private string _resume = ""; // goes on with the session that is, or was, open
        private byte[] _owed; // a HELLO that did not go out
        private long _helloUs; // when HELLO was said last
        private long? _deafUs; // since when a peer owes its first answer
        private long? _unansweredUs; // since when snapshots have had no answer
        private long _lastTick;

        /// <param name="name">Of this game instance; the schema's game by default.</param>
        /// <param name="fallback">The game's own behaviour for NPCs without a plan; without it they brake.</param>
        /// <param name="clockUs">Monotonic microseconds.</param>
        public Client(ITransport transport, Schema schema, string name = null, Fallback fallback = null, Func<long> clockUs = null)
        {
            _transport = transport;
            _name = name ?? schema.Game;
            _fallback = fallback;
            _clockUs = clockUs ?? (() => (long)(Stopwatch.GetTimestamp() * (1e6 / Stopwatch.Frequency)));
            _nonce = BitConverter.ToUInt32(Guid.NewGuid().ToByteArray(), 0);
            Schema = schema;
            Ladder = new Ladder(schema, fallback);
            Say(FaultKind.Connecting, $"connecting to {transport.Endpoint}");
        }

        public Schema Schema { get; private set; }

        public Ladder Ladder { get; private set; }

        /// <summary>What the brain said when it opened the last session, null before the first.</summary>
        public WelcomeMessage Welcome { get; private set; }

        /// <summary>What is wrong now, null if nothing is.</summary>
        public Fault Fault { get; private set; }

        public long SnapshotsSent { get; private set; }

        /// <summary>Not sent: no session, the brain does not read, or a local fault.</summary>
        public long SnapshotsDropped { get; private set; }

        /// <summary>Number of the open session, 0 if there is none.</summary>
        public uint Session => _phase == Phase.Live ? Welcome.Header.Session : 0;

        /// <summary>Takes in what has arrived; returns the actions accepted now, in a list that the next call clears.</summary>
        public List<ActionMessage> Poll()
        {
            long now = _clockUs();
            _accepted.Clear();
            for (ConnectionEvent what; (what = _transport.Poll()) != ConnectionEvent.None;) Connection(what, now);
            for (int i = 0; i < FramesPerPoll; i++)
            {
                int length = _transport.Receive(_inbox);
                if (length < 0) break;
                Take(length, now);
            }
            if (_phase == Phase.Greeting && now - _helloUs >= HelloAgainUs) Hello(now, anew: false);
            if (_phase == Phase.Refused && now - _helloUs >= RefusedAgainUs) Hello(now, anew: true);
            if (_owed != null && _transport.Send(_owed, _owed.Length)) _owed = null;
            if (now - _deafUs > DeafUs)
                Say(FaultKind.NotOurs, $"the peer at {_transport.Endpoint} does not answer HELLO; it may also be a brain that hangs");
            if (_phase == Phase.Live && now - _unansweredUs > SilentUs && Fault == null)
                Say(FaultKind.Silent, $"the brain at {_transport.Endpoint} sends no actions");
            return _accepted;
        }

        /// <summary>Picks every NPC's command for this tick; see Ladder.Step.</summary>
        public LadderResult Step(long tick, int n, uint[] ids, NpcPose[] poses, bool[] alive = null) =>
            Ladder.Step(tick, n, ids, poses, alive);

        /// <summary>Sends the game's state at a tick.</summary>
        /// <param name="blocks">Rows by entity type.</param>
        /// <param name="timeUs">Game time; tick / tick_hz by default.</param>
        /// <returns>False if nothing was sent: no session, the brain does not read, or Fault says what is wrong.</returns>
        public bool Push(long tick, Dictionary<string, EntityBlock> blocks, long? timeUs = null)
        {
            _lastTick = tick;
            bool sent = _phase == Phase.Live && Send(tick, blocks, timeUs ?? (long)Math.Round(tick * 1e6 / Schema.TickHz));
            if (!sent)
            {
                SnapshotsDropped++;
                return false;
            }
            SnapshotsSent++;
            if (_unansweredUs == null) _unansweredUs = _clockUs();
            return true;
        }

        /// <summary>Leaves the session and opens another: after a level restart, or with another schema.</summary>
        public void Restart(Schema schema = null)
        {
            if (schema != null)
            {
                Schema = schema;
                Ladder = new Ladder(schema, _fallback, Ladder);
            }
            _lastTick = 0;
            _resume = "";
            if (_phase != Phase.Idle) Hello(_clockUs(), anew: true);
        }

        /// <summary>The text of a bark, "" for 0 and unknown ones.</summary>
        public string Bark(int number) =>
            Welcome != null && number >= 1 && number <= Welcome.Barks.Count ? Welcome.Barks[number - 1] : "";

        /// <summary>Says goodbye and closes the transport; calling it again does nothing.</summary>
        public void Close()
        {
            if (_phase == Phase.Live)
            {
                byte[] bye = Body.Encode(new FrameHeader { Kind = FrameKind.Bye, Session = Session }, new Dictionary<string, object>());
                _transport.Send(bye, bye.Length);
            }
            _phase = Phase.Idle;
            _transport.Close();
        }

        private bool Send(long tick, Dictionary<string, EntityBlock> blocks, long timeUs)
        {
            var header = new FrameHeader
            {
                Flags = FrameFlags.Keyframe, Session = Session, SchemaId = Schema.Id, Tick = tick, TimeUs = timeUs, Sequence = ++_sequence,
            };
            try
            {
                int length = _snapshots.Write(header, Schema, blocks, Ladder.Executing);
                if (length <= Welcome.Limits.FrameBytes) return _transport.Send(_snapshots.Frame, length);
                Say(FaultKind.Local, $"SNAPSHOT: expected at most {Welcome.Limits.FrameBytes} bytes, got {length}", _lastTick);
            }
            catch (ArgumentException error)
            {
                Say(FaultKind.Local, error.Message, _lastTick);
            }
            return false;
        }

        private void Connection(ConnectionEvent what, long now)
        {
            if (what == ConnectionEvent.Up)
            {
                _deafUs = now;
                Hello(now, anew: true);
                return;
            }
            string at = _transport.Endpoint;
            if (what == ConnectionEvent.Down && _phase != Phase.Idle) Say(FaultKind.Lost, $"the connection to {at} broke");
            if (what == ConnectionEvent.Refused) Say(FaultKind.NotListening, $"nothing listens at {at}");
            if (what == ConnectionEvent.Stranger) Say(FaultKind.NotOurs, $"the peer at {at} does not speak this protocol");
            _phase = Phase.Idle;
            _deafUs = _unansweredUs = null;
            _owed = null;
        }

        private void Hello(long now, bool anew)
        {
            if (anew) _nonce++;
            _phase = Phase.Greeting;
            _helloUs = now;
            var body = new Dictionary<string, object>
            {
                { "majors", new long[] { FrameHeader.Major } }, { "client", "npcw csharp" }, { "game", _name },
                { "schema", Schema.Canonical }, { "capabilities", new string[0] },
            };
            if (_resume != "") body["resume"] = _resume;
            _owed = Body.Encode(new FrameHeader { Kind = FrameKind.Hello, SchemaId = Schema.Id, Sequence = _nonce }, body);
        }

        private void Take(int length, long now)
        {
            Limits limits = Welcome?.Limits ?? Limits.Default;
            try
            {
                FrameHeader header = FrameHeader.Read(_inbox, length, Limits.Default);
                if (header.Kind == FrameKind.Action)
                {
                    if (_phase == Phase.Live && header.Session == Session) Act(new ActionMessage(header, _inbox, length, Schema, limits));
                }
                else if (header.Kind == FrameKind.Snapshot)
                {
                    throw new ProtocolException(ErrorCode.Value, "a game receives no SNAPSHOT");
                }
                else
                {
                    var body = new Body(header, _inbox, length, limits);
                    if (header.Kind == FrameKind.Welcome) Welcomed(new WelcomeMessage(header, body, limits));
                    else if (header.Kind == FrameKind.Error) Reported(new ErrorMessage(header, body), now);
                    _deafUs = null;
                }
            }
            catch (ProtocolException error)
            {
                _deafUs = null; // it did answer
                Say(FaultKind.NotOurs, $"from {_transport.Endpoint}: {error.Message}");
            }
        }

        private void Act(ActionMessage action)
        {
            _unansweredUs = null;
            if (Fault == null || Fault.Tick == 0 || action.Header.Tick > Fault.Tick) Fault = null;
            if (Ladder.Accept(action)) _accepted.Add(action);
        }

        private void Welcomed(WelcomeMessage welcome)
        {
            FrameHeader header = welcome.Header;
            bool mine = _phase == Phase.Greeting ? header.Sequence == _nonce : header.Session == Session;
            if (!mine || welcome.SchemaSha256 != Schema.Sha256) return;
            _phase = Phase.Live;
            Welcome = welcome;
            _resume = welcome.Resume;
            if (header.Session != Ladder.Session) Ladder.Start(header.Session, welcome.FreshSteps, welcome.VelocityTolerance);
            _unansweredUs = null;
            Fault = null;
        }

        private void Reported(ErrorMessage error, long now)
        {
            FrameHeader header = error.Header;
            if (header.Session != 0 && header.Session != Session) return;
            long tick = error.Fatal ? 0 : header.Tick != 0 ? header.Tick : _lastTick;
            Fault = new Fault(FaultKind.Reported, error.Text, error.Remedy, tick);
            if (!error.Fatal) return;
            _phase = Phase.Refused; // a session that is merely unknown is opened anew at once
            _helloUs = error.Code == ErrorCode.Session ? now - RefusedAgainUs : now;
        }

        private void Say(FaultKind kind, string text, long tick = 0)
        {
            Fault = new Fault(kind, text, Remedy(kind), tick);
        }

        private static string Remedy(FaultKind kind)
        {
            switch (kind)
            {
                case FaultKind.Connecting: return "wait a second";
                case FaultKind.NotListening: return "start the brain (npc-sdk serve), or correct the port";
                case FaultKind.NotOurs: return "correct the port: npc-sdk serve prints its own";
                case FaultKind.Lost: return "wait: the session is opened anew by itself";
                case FaultKind.Silent: return "look at the brain's log";
                default: return "fill blocks as the schema declares them";
            }
        }
    }
}
