// ZeroMQ by P/Invoke: a transport for Client. Needs libzmq 4.3.2 or newer; the README says where it comes from.

using System;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Npcw
{
    public sealed class ZmqTransport : ITransport
    {
        private const int Dealer = 5, Pair = 0, DontWait = 1; // zmq.h
        private const int ReceiveMore = 13, Linger = 17, MaxMessageSize = 22;
        private const int Connected = 0x1, Retried = 0x4, Closed = 0x80, Disconnected = 0x200, HandshakeSucceeded = 0x1000;
        private const int Events = Connected | Retried | Closed | Disconnected | HandshakeSucceeded;
        private const long DumbMs = 400; // a peer that has not finished ZeroMQ's handshake by then does not know it
        private const long ReopenMs = 1000; // libzmq gives some peers up for ever; a new socket does not
        private const int GoodbyeMs = 100; // at most, for what was sent last

        private static readonly int[,] Options =
        {
            { Linger, 0 }, { 18, 20 }, { 23, 2 }, { 28, 0 }, { 39, 1 }, // RECONNECT_IVL, SNDHWM, SNDTIMEO, IMMEDIATE
            { 66, 2000 }, { 75, 500 }, { 76, 2000 }, { 77, 1500 }, // HANDSHAKE_IVL, HEARTBEAT_IVL, _TTL, _TIMEOUT
        };

        private readonly Stopwatch _clock = Stopwatch.StartNew();
        private readonly byte[] _event = new byte[256];
        private readonly IntPtr _context;
        private IntPtr _socket, _monitor;
        private int _opened; // sockets so far
        private long _tcpMs; // when TCP connected, while the handshake lasts; -1 otherwise
        private long _downMs; // since when libzmq has not tried to connect; -1 while connected
        private bool _strange; // said already of this connection

        /// <exception cref="DllNotFoundException">There is no libzmq.</exception>
        /// <exception cref="ArgumentException">The endpoint is none.</exception>
        public ZmqTransport(string endpoint)
        {
            int major, minor, patch;
            zmq_version(out major, out minor, out patch);
            if (new Version(major, minor, patch) < new Version(4, 3, 2))
                throw new NotSupportedException($"libzmq: expected 4.3.2 or newer, got {major}.{minor}.{patch}");
            Endpoint = endpoint;
            _context = zmq_ctx_new();
            if (Open()) return;
            Shut();
            zmq_ctx_term(_context);
            throw new ArgumentException($"endpoint: expected one such as tcp://127.0.0.1:5757, got '{endpoint}'");
        }

        public string Endpoint { get; }

        public ConnectionEvent Poll()
        {
            if (_socket == IntPtr.Zero) return ConnectionEvent.None;
            int size;
            while ((size = ReceiveFrom(_monitor, _event)) >= 0) // a frame {u16 event, u32 value}, and one with the address
            {
                ConnectionEvent happened = size == 6 ? Happened(BitConverter.ToUInt16(_event, 0)) : ConnectionEvent.None;
                if (happened != ConnectionEvent.None) return happened;
            }
            long now = _clock.ElapsedMilliseconds;
            if (_tcpMs >= 0 && now - _tcpMs > DumbMs && !_strange)
            {
                _strange = true;
                return ConnectionEvent.Stranger;
            }
            if (_downMs >= 0 && now - _downMs > ReopenMs)
            {
                Shut();
                Open();
            }
            return ConnectionEvent.None;
        }

        public bool Send(byte[] frame, int length) =>
            _socket != IntPtr.Zero && zmq_send(_socket, frame, (UIntPtr)length, DontWait) >= 0;

        public int Receive(byte[] frame)
        {
            if (_socket == IntPtr.Zero) return -1;
            int size = ReceiveFrom(_socket, frame);
            if (size < 0 || !More()) return size;
            while (More() && ReceiveFrom(_socket, frame) >= 0) continue;
            return 0;
        }

        /// <summary>Closes the sockets. Unity: call it in OnDestroy, as native sockets outlive the reload of a domain.</summary>
        public void Close()
        {
            if (_socket == IntPtr.Zero) return;
            int linger = GoodbyeMs;
            zmq_setsockopt(_socket, Linger, ref linger, (UIntPtr)sizeof(int));
            Shut();
            zmq_ctx_term(_context);
        }

        /// <summary>Opens a socket with a monitor; false if the endpoint is none.</summary>
        private bool Open()
        {
            _socket = zmq_socket(_context, Dealer);
            _monitor = zmq_socket(_context, Pair);
            _tcpMs = -1;
            _downMs = _clock.ElapsedMilliseconds;
            for (int i = 0; i < Options.GetLength(0); i++)
            {
                int value = Options[i, 1];
                zmq_setsockopt(_socket, Options[i, 0], ref value, (UIntPtr)sizeof(int));
            }
            long most = Limits.Default.FrameBytes;
            zmq_setsockopt(_socket, MaxMessageSize, ref most, (UIntPtr)sizeof(long));
            string events = $"inproc://npcw-{++_opened}";
            zmq_socket_monitor(_socket, events, Events);
            zmq_connect(_monitor, events);
            return zmq_connect(_socket, Endpoint) == 0;
        }

        private void Shut()
        {
            zmq_socket_monitor(_socket, null, 0);
            zmq_close(_monitor);
            zmq_close(_socket);
            _socket = _monitor = IntPtr.Zero;
        }

        private ConnectionEvent Happened(int what)
        {
            long now = _clock.ElapsedMilliseconds;
            bool greeting = _tcpMs >= 0;
            switch (what)
            {
                case Connected:
                    _tcpMs = now;
                    _strange = false;
                    return ConnectionEvent.None;
                case HandshakeSucceeded:
                    _tcpMs = _downMs = -1;
                    return ConnectionEvent.Up;
                case Retried: // libzmq is at it
                    _downMs = now;
                    return ConnectionEvent.None;
                case Closed:
                    if (greeting) return ConnectionEvent.None;
                    _downMs = now;
                    return ConnectionEvent.Refused;
                default: // disconnected
                    _tcpMs = -1;
                    _downMs = now;
                    return greeting ? ConnectionEvent.Stranger : ConnectionEvent.Down;
            }
        }

        private bool More()
        {
            int more = 0;
            var size = (UIntPtr)sizeof(int);
            return zmq_getsockopt(_socket, ReceiveMore, ref more, ref size) == 0 && more != 0;
        }

        private static int ReceiveFrom(IntPtr socket, byte[] frame) => zmq_recv(socket, frame, (UIntPtr)frame.Length, DontWait);

        private const string Library = "libzmq"; // libzmq.dll, libzmq.dylib, libzmq.so; Npcw.dll.config says what Mono takes

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        private static extern void zmq_version(out int major, out int minor, out int patch);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        private static extern IntPtr zmq_ctx_new();

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        private static extern int zmq_ctx_term(IntPtr context);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        private static extern IntPtr zmq_socket(IntPtr context, int type);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        private static extern int zmq_close(IntPtr socket);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        private static extern int zmq_setsockopt(IntPtr socket, int option, ref int value, UIntPtr size);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        private static extern int zmq_setsockopt(IntPtr socket, int option, ref long value, UIntPtr size);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        private static extern int zmq_getsockopt(IntPtr socket, int option, ref int value, ref UIntPtr size);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        private static extern int zmq_connect(IntPtr socket, [MarshalAs(UnmanagedType.LPStr)] string endpoint);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        private static extern int zmq_socket_monitor(IntPtr socket, [MarshalAs(UnmanagedType.LPStr)] string endpoint, int events);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        private static extern int zmq_send(IntPtr socket, byte[] frame, UIntPtr length, int flags);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        private static extern int zmq_recv(IntPtr socket, [Out] byte[] frame, UIntPtr length, int flags);
    }
}
