// The game's end of a session: `poll`, `step`, `push` in every frame. Nothing here waits, and nothing throws for what a
// brain does. The sockets are a Transport: zeromq.hpp has one. All calls from one thread.
#pragma once

#include <chrono>
#include <initializer_list>
#include <memory>
#include <optional>
#include <random>

#include "ladder.hpp"

namespace npcw {

/// What became of the connection.
enum class Link {
    up,        // the peer speaks ZeroMQ
    down,      // an open connection broke
    refused,   // nothing listens
    stranger,  // something listens, but does not speak ZeroMQ
};

/// Carries frames; no call waits.
class Transport {
public:
    virtual ~Transport() = default;
    virtual const std::string& endpoint() const = 0;
    /// The next event of the connection, if there is one.
    virtual std::optional<Link> event() = 0;
    /// False where the frame did not go out: nobody is there, or the peer does not read.
    virtual bool send(Span<std::uint8_t> frame) = 0;
    /// The next frame that has arrived, valid until the next call; empty where a message had several frames.
    virtual std::optional<Span<std::uint8_t>> receive() = 0;
    virtual void close() = 0;
};

/// What is wrong between game and brain: not an exception, the game goes on.
struct Fault {
    enum class Kind { connecting, not_listening, not_ours, lost, silent, local, reported };
    Kind kind;
    std::string text;    // what was expected, what came, where
    std::string remedy;  // what a developer does about it
    int code = 0;        // of an ERROR, else 0
    std::int64_t tick = 0;  // an action that answers a later snapshot clears it
};

inline const char* name(Fault::Kind kind) {
    static constexpr const char* NAMES[] = {"connecting", "not_listening", "not_ours", "lost", "silent", "local", "reported"};
    return NAMES[static_cast<int>(kind)];
}

inline const char* remedy(Fault::Kind kind) {
    static constexpr const char* REMEDIES[] = {
        "wait a second",
        "start the brain (npc-sdk serve), or correct the port",
        "correct the port: npc-sdk serve prints its own",
        "wait: the session is opened anew by itself",
        "look at the brain's log",
        "pass arrays as the schema declares them",
        "",  // the brain says it
    };
    return REMEDIES[static_cast<int>(kind)];
}

/// Microseconds of a clock that only grows.
inline std::int64_t monotonic_us() {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Options {
    std::string name;   // of this game instance; the schema's game by default
    Fallback fallback;  // the game's own behaviour for NPCs without a plan; without it they brake
    std::function<std::int64_t()> clock_us = monotonic_us;
};

class Client {
public:
    Client(std::unique_ptr<Transport> transport, Schema schema, Options options = {})
        : transport_(std::move(transport)), schema_(std::move(schema)), options_(std::move(options)), ladder_(schema_, options_.fallback),
          nonce_(std::random_device{}()) {
        if (options_.name.empty()) options_.name = schema_.declared.game;
        say(Fault::Kind::connecting, "connecting to " + transport_->endpoint());
    }

    ~Client() { close(); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    /// Takes in what has arrived; returns how many actions were accepted now, of which action(0) is the newest.
    std::size_t poll() {
        const std::int64_t now = options_.clock_us();
        accepted_ = 0;
        while (const auto event = transport_->event()) connection(*event, now);
        for (int i = 0; i < FRAMES_PER_POLL; ++i) {
            const auto frame = transport_->receive();
            if (!frame) break;
            take(*frame, now);
        }
        if (phase_ == Phase::greeting && now - hello_us_ >= HELLO_AGAIN_US) hello(now, false);
        if (phase_ == Phase::refused && now - hello_us_ >= REFUSED_AGAIN_US) hello(now, true);
        if (!owed_.empty() && transport_->send(owed_)) owed_.clear();
        if (deaf_us_ && now - *deaf_us_ > DEAF_US && !is(Fault::Kind::not_ours)) {
            say(Fault::Kind::not_ours, "the peer at " + transport_->endpoint() + " does not answer HELLO; it may also be a brain that hangs");
        }
        if (phase_ == Phase::live && unanswered_us_ && now - *unanswered_us_ > SILENT_US && !fault_) {
            say(Fault::Kind::silent, "the brain at " + transport_->endpoint() + " sends no actions");
        }
        return std::min(accepted_, ladder_.held());
    }

    /// Picks every NPC's command for this tick, see Ladder::step; then commands() and executing().
    void step(std::int64_t tick, Span<std::uint32_t> ids, Span<Pose> pose, Span<std::uint8_t> alive = {}) { ladder_.step(tick, ids, pose, alive); }

    /// Sends the game's state at a tick. False if nothing was sent: no session, the brain does not read, or fault() says what is wrong.
    bool push(std::int64_t tick, Span<Block> blocks) {
        last_tick_ = tick;
        const bool sent = phase_ == Phase::live && encoded(tick, blocks) && transport_->send(frame_);
        ++(sent ? snapshots_sent_ : snapshots_dropped_);
        if (sent && !unanswered_us_) unanswered_us_ = options_.clock_us();
        return sent;
    }
    bool push(std::int64_t tick, std::initializer_list<Block> blocks) { return push(tick, Span<Block>(blocks.begin(), blocks.size())); }

    /// Leaves the session and opens another: after a level restart.
    void restart() {
        resume_.clear();
        if (phase_ != Phase::idle) hello(options_.clock_us(), true);
    }
    /// The same with another schema.
    void restart(Schema schema) {
        ladder_ = Ladder(schema, options_.fallback, &ladder_);
        schema_ = std::move(schema);
        restart();
    }

    /// Says goodbye and closes the sockets; the goodbye may take 100 ms where the brain does not read.
    void close() {
        if (phase_ == Phase::live) {
            Header header;
            header.kind = Kind::bye;
            header.session = session();
            transport_->send(encode_body(header, Map{}));
        }
        phase_ = Phase::idle;
        transport_->close();
    }

    /// What is wrong now, if anything is.
    const std::optional<Fault>& fault() const { return fault_; }
    /// Number of the open session, 0 if there is none.
    std::uint32_t session() const { return phase_ == Phase::live ? welcome_.session : 0; }
    /// What the brain said when it opened the last session.
    const Welcome& welcome() const { return welcome_; }
    const Schema& schema() const { return schema_; }
    const std::vector<float>& commands() const { return ladder_.commands(); }
    const Executing& executing() const { return ladder_.executing(); }
    const Counters& counters() const { return ladder_.counters(); }
    const Action& action(std::size_t i) const { return ladder_.held(i); }
    std::uint64_t snapshots_sent() const { return snapshots_sent_; }
    std::uint64_t snapshots_dropped() const { return snapshots_dropped_; }
    /// The text of a bark, "" for 0 and unknown ones.
    const char* bark(std::uint16_t number) const { return number >= 1 && number <= welcome_.barks.size() ? welcome_.barks[number - 1u].c_str() : ""; }

private:
    enum class Phase { idle, greeting, live, refused };

    static constexpr std::int64_t HELLO_AGAIN_US = 250000;     // an unanswered HELLO is repeated
    static constexpr std::int64_t REFUSED_AGAIN_US = 1000000;  // a refused game asks again
    static constexpr std::int64_t DEAF_US = 500000;            // a peer that has not answered HELLO by then is not ours, or hangs
    static constexpr std::int64_t SILENT_US = 1500000;         // without actions while snapshots are sent
    static constexpr int FRAMES_PER_POLL = 16;

    void connection(Link event, std::int64_t now) {
        const std::string& at = transport_->endpoint();
        if (event == Link::up) {
            deaf_us_ = now;
            hello(now, true);
            return;
        }
        if (event == Link::down && phase_ != Phase::idle) say(Fault::Kind::lost, "the connection to " + at + " broke");
        if (event == Link::refused && !is(Fault::Kind::not_listening)) say(Fault::Kind::not_listening, "nothing listens at " + at);
        if (event == Link::stranger) say(Fault::Kind::not_ours, "the peer at " + at + " does not speak this protocol; it may also be a brain that hangs");
        phase_ = Phase::idle;
        deaf_us_.reset();
        unanswered_us_.reset();
        owed_.clear();
    }

    void hello(std::int64_t now, bool anew) {
        if (anew) ++nonce_;
        phase_ = Phase::greeting;
        hello_us_ = now;
        Header header;
        header.kind = Kind::hello;
        header.schema_id = schema_.id;
        header.sequence = nonce_;
        Map body{{"majors", List{Value(MAJOR)}}, {"client", "npcw cpp"}, {"game", options_.name}, {"schema", schema_.canonical}, {"capabilities", List{}}};
        if (!resume_.empty()) body.push_back({"resume", resume_});
        owed_ = encode_body(header, std::move(body));
    }

    void take(Span<std::uint8_t> frame, std::int64_t now) {
        if (phase_ == Phase::idle) return;  // left over from a connection that broke
        try {
            const Header header = read_header(frame);
            if (header.kind == Kind::action) acted(frame, header);
            else if (header.kind == Kind::welcome) welcomed(decode_welcome(frame, header));
            else if (header.kind == Kind::error) reported(header, decode_error(frame, header), now);
            else refuse(Code::value, "expected WELCOME, ACTION or ERROR, got ", npcw::name(header.kind));
            deaf_us_.reset();
        } catch (const ProtocolError& error) {
            say(Fault::Kind::not_ours, "from " + transport_->endpoint() + ": " + error.what());
        }
    }

    void acted(Span<std::uint8_t> frame, const Header& header) {
        if (header.session != session()) return;
        decode_action(incoming_, frame, header, schema_);
        unanswered_us_.reset();
        if (fault_ && static_cast<std::int64_t>(header.tick) > fault_->tick) fault_.reset();
        accepted_ += ladder_.accept(incoming_);
    }

    void welcomed(Welcome welcome) {
        if (phase_ == Phase::greeting ? welcome.nonce != nonce_ : welcome.session != session()) return;
        if (welcome.schema_sha256 != schema_.sha256) refuse(Code::schema, "WELCOME: expected schema ", schema_.sha256, ", got ", welcome.schema_sha256);
        if (welcome.major != MAJOR) refuse(Code::version, "WELCOME: expected major ", int{MAJOR}, ", got ", welcome.major);
        phase_ = Phase::live;
        welcome_ = std::move(welcome);
        resume_ = welcome_.resume;
        if (welcome_.session != ladder_.session()) ladder_.start(welcome_.session, welcome_.fresh_steps, welcome_.velocity_tolerance);
        unanswered_us_.reset();
        fault_.reset();
    }

    void reported(const Header& header, ErrorReport report, std::int64_t now) {
        if (header.session != 0 && header.session != session()) return;
        const auto tick = header.tick != 0 ? static_cast<std::int64_t>(header.tick) : last_tick_;
        fault_ = Fault{Fault::Kind::reported, std::move(report.text), std::move(report.remedy), static_cast<int>(report.code), report.fatal ? 0 : tick};
        if (!report.fatal) return;
        phase_ = Phase::refused;
        hello_us_ = report.code == Code::session ? now - REFUSED_AGAIN_US : now;  // a session that is merely unknown is opened anew at once
    }

    bool encoded(std::int64_t tick, Span<Block> blocks) {
        try {
            if (tick < 0 || static_cast<std::uint64_t>(tick) > LAST_TICK) throw std::invalid_argument(text("SNAPSHOT: expected a tick from 0 on, got ", tick));
            Header header;
            header.flags = KEYFRAME;
            header.session = session();
            header.schema_id = schema_.id;
            header.tick = static_cast<std::uint64_t>(tick);
            header.time_us = std::llround(std::min(static_cast<double>(tick) * 1e6 * schema_.dt(), 9e18));
            header.sequence = ++sequence_;
            encode_snapshot(frame_, header, schema_, blocks, ladder_.executing());
            const std::uint32_t most = welcome_.limits.frame_bytes;
            if (frame_.size() > most) throw std::invalid_argument(text("SNAPSHOT: expected at most ", most, " bytes, got ", frame_.size()));
            return true;
        } catch (const std::invalid_argument& error) {
            say(Fault::Kind::local, error.what());
            return false;
        }
    }

    bool is(Fault::Kind kind) const { return fault_ && fault_->kind == kind; }

    void say(Fault::Kind kind, std::string what) {
        fault_ = Fault{kind, std::move(what), npcw::remedy(kind), 0, kind == Fault::Kind::local ? last_tick_ : 0};
    }

    std::unique_ptr<Transport> transport_;
    Schema schema_;
    Options options_;
    Ladder ladder_;
    Phase phase_ = Phase::idle;
    Welcome welcome_;
    std::uint32_t nonce_, sequence_ = 0;
    std::string resume_;  // goes on with the session that is, or was, open
    std::int64_t hello_us_ = 0;                  // when HELLO was said last
    std::optional<std::int64_t> deaf_us_;        // since when a peer owes its first answer
    std::optional<std::int64_t> unanswered_us_;  // since when snapshots have had no answer
    Bytes owed_;                                 // a HELLO that did not go out
    Bytes frame_;                                // the last snapshot; its memory is used again
    Action incoming_;                            // likewise
    std::optional<Fault> fault_;
    std::size_t accepted_ = 0;
    std::int64_t last_tick_ = 0;
    std::uint64_t snapshots_sent_ = 0, snapshots_dropped_ = 0;
};

}  // namespace npcw
