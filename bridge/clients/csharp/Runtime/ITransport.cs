namespace Npcw
{
    public enum ConnectionEvent
    {
        None,
        Up, // the peer speaks the transport's protocol
        Down, // it is gone
        Refused, // nothing listens there
        Stranger, // something listens there that does not speak the transport's protocol
    }

    /// <summary>
    /// The way to a brain: a DEALER with the options of PROTOCOL.md, Sockets. ZmqTransport has one by libzmq; NetMQ's
    /// would do as well. Nothing here waits; all calls come from one thread.
    /// </summary>
    public interface ITransport
    {
        /// <summary>Where the brain is, such as tcp://127.0.0.1:5757.</summary>
        string Endpoint { get; }

        /// <summary>What has happened to the connection, the oldest first; None if nothing has since.</summary>
        ConnectionEvent Poll();

        /// <summary>Sends a frame, the first bytes of an array; false if it does not go out at once, and then it never does.</summary>
        bool Send(byte[] frame, int length);

        /// <summary>
        /// Puts the next frame into an array of at least 1 MiB and returns its length; -1 if none is there. A message with
        /// several frames, which is never ours, is a frame of length 0.
        /// </summary>
        int Receive(byte[] frame);

        void Close();
    }
}
