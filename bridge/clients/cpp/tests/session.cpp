// What the vectors do not show: sizes that wrap, the session's clock, faults, a restart, the ladder's callback and the dead.
// No sockets; the clock is the test's.
#include <cstdio>
#include <cstdlib>
#include <deque>

#include "npcw/client.hpp"

using namespace npcw;

#define EXPECT(what) \
    if (!(what)) return std::printf("line %d: expected %s\n", __LINE__, #what), std::exit(1)

namespace {

std::int64_t now_us = 0;

/// The brain's side of a connection, as the test plays it.
struct Wire : Transport {
    std::deque<Link> events;
    std::deque<Bytes> down;
    std::deque<std::pair<Header, Bytes>> up;  // that were sent
    Bytes last;
    std::string at = "test";

    const std::string& endpoint() const override { return at; }
    std::optional<Link> event() override {
        if (events.empty()) return {};
        const Link first = events.front();
        return events.pop_front(), first;
    }
    bool send(Span<std::uint8_t> frame) override {
        up.emplace_back(read_header(frame), Bytes(frame.begin(), frame.end()));
        return true;
    }
    std::optional<Span<std::uint8_t>> receive() override {
        if (down.empty()) return {};
        last = down.front();
        return down.pop_front(), Span<std::uint8_t>(last);
    }
    void close() override {}

    /// What was sent since the last look; HELLO, SNAPSHOT and the like are told by kind.
    std::size_t sent(Kind kind) {
        std::size_t n = 0;
        for (const auto& [header, bytes] : up) n += header.kind == kind;
        if (!up.empty()) nonce = up.back().first.sequence;
        return up.clear(), n;
    }
    std::uint32_t nonce = 0;  // or sequence, of the last frame looked at
};

Schema yard(double brake) {
    Declaration d;
    d.game = "test";
    d.bounds = {-9, -9, 9, 9};
    d.entities = {{"npc", "npc", 4, {{"x", "m", -9, 9, "x"}}}};
    d.channels = {{"move_x", "m/s", -6, 6}, {"move_y", "m/s", -6, 6}, {"reach", "m", 0, 9, "continuous", 2}};
    d.kinematics = {4, 16, brake, 0.35, 6};
    return Schema(d);
}

Bytes welcome(const Schema& schema, std::uint32_t session, std::uint32_t nonce) {
    Header header;
    header.kind = Kind::welcome;
    header.session = session;
    header.sequence = nonce;
    return encode_body(header, Map{{"major", 1}, {"schema_sha256", schema.sha256}, {"limits", Map{{"frame_bytes", 256}}}, {"heartbeat_ms", 500},
        {"lead_ticks", 2}, {"fresh_steps", 1}, {"velocity_tolerance", 0.5}, {"server", "test"}, {"capabilities", List{}}, {"barks", List{"over there"}},
        {"model", Map{}}, {"warnings", List{}}, {"control", ""}, {"telemetry", ""}});
}

Bytes error(std::uint32_t session, Code code, bool fatal) {
    Header header;
    header.kind = Kind::error;
    header.session = session;
    return encode_body(header, Map{{"code", static_cast<int>(code)}, {"fatal", fatal}, {"text", "no"}, {"remedy", "mend it"}});
}

/// A plan of one NPC for two ticks from `apply` on, at 1 m/s, for where x is `x`.
Action plan(std::uint32_t chunk, std::uint64_t apply, float x) {
    Action a;
    a.header.session = 7;
    a.apply_tick = apply;
    a.valid_until_tick = apply + 9;
    a.chunk = chunk;
    a.m = 2;
    a.k = 3;
    a.ids = {1};
    a.steps = {1, 0, 0, 1, 0, 0};
    a.expected = {x, 0, 0, 0, x, 0, 0, 0};
    a.brake = {static_cast<float>(chunk)};
    a.tolerance = {0.5f};
    a.row.build(a.ids);
    return a;
}

/// The same as a frame that answers the snapshot of `tick`.
Bytes frame_of(const Action& a, const Schema& schema, std::uint32_t session, std::uint64_t tick) {
    Bytes out(96);
    Header header;
    header.kind = Kind::action;
    header.session = session;
    header.schema_id = schema.id;
    header.tick = tick;
    header.count = 1;
    header.dtype = 1;
    header.extra = 48;
    write_header(out.data(), header);
    store(&out[48], a.apply_tick);
    store(&out[56], a.valid_until_tick);
    store(&out[80], a.chunk);
    store(&out[84], a.m);
    store(&out[86], a.k);
    const auto put = [&out](const auto& numbers) {
        const std::size_t at = out.size(), bytes = numbers.size() * sizeof numbers[0];
        out.resize(at + static_cast<std::size_t>(padded(bytes)));
        std::memcpy(&out[at], numbers.data(), bytes);
    };
    put(a.ids), put(a.steps), put(a.expected), put(a.brake), put(a.tolerance);
    put(std::vector<std::uint8_t>{3}), put(std::vector<std::uint16_t>{1});
    return out;
}

void session_and_faults() {
    auto owned = std::make_unique<Wire>();
    Wire& wire = *owned;
    const Schema schema = yard(16);
    Options options;
    options.clock_us = [] { return now_us; };
    Client client(std::move(owned), schema, options);
    const auto after = [&](std::int64_t us) { now_us += us, client.poll(); };
    const auto fault = [&](Fault::Kind kind) { return client.fault() && client.fault()->kind == kind; };
    const std::vector<std::uint32_t> ids = {1};
    const std::vector<float> x = {0}, wide(100, 0.0f);
    std::vector<std::uint32_t> many(100, 1);

    after(0);
    EXPECT(fault(Fault::Kind::connecting) && wire.sent(Kind::hello) == 0);
    EXPECT(!client.push(1, {{"npc", ids, x}}) && wire.up.empty());
    wire.events = {Link::up};
    after(0);
    EXPECT(wire.sent(Kind::hello) == 1);
    const std::uint32_t first = wire.nonce;
    after(249999);
    EXPECT(wire.sent(Kind::hello) == 0);
    after(1);
    EXPECT(wire.sent(Kind::hello) == 1 && wire.nonce == first);
    after(250001);
    EXPECT(fault(Fault::Kind::not_ours));
    wire.down = {welcome(schema, 7, first + 1)};
    after(0);
    EXPECT(client.session() == 0);
    wire.down = {welcome(yard(8), 7, first)};
    after(0);
    EXPECT(client.session() == 0 && fault(Fault::Kind::not_ours));
    wire.down = {welcome(schema, 7, first)};
    after(0);
    EXPECT(client.session() == 7 && !client.fault());
    EXPECT(std::string(client.bark(1)) == "over there" && std::string(client.bark(0)).empty() && std::string(client.bark(2)).empty());

    wire.up.clear();
    EXPECT(client.push(1, {{"npc", ids, x}}) && wire.sent(Kind::snapshot) == 1);
    for (const Block& wrong : {Block{"npc", ids, wide}, Block{"dog", ids, x}, Block{"npc", many, wide}}) {
        EXPECT(!client.push(2, Span<Block>(&wrong, 1)) && wire.up.empty() && fault(Fault::Kind::local));
    }
    EXPECT(!client.push(-1, {{"npc", ids, x}}) && !client.push(2, {{"npc", ids, x}, {"npc", ids, x}}) && wire.up.empty());
    wire.down = {welcome(schema, 7, first), error(8, Code::busy, true), error(7, Code::value, false)};
    after(0);
    EXPECT(client.session() == 7 && fault(Fault::Kind::reported) && client.fault()->code == 6 && client.fault()->remedy == "mend it");
    wire.down = {welcome(schema, 7, first)};
    after(0);
    client.push(3, {{"npc", ids, x}});
    after(1500000);
    EXPECT(!client.fault());
    after(1);
    EXPECT(fault(Fault::Kind::silent));
    wire.down = {frame_of(plan(1, 4, 0), schema, 8, 3)};
    EXPECT(client.poll() == 0 && fault(Fault::Kind::silent));
    wire.down = {frame_of(plan(1, 4, 0), schema, 7, 3), frame_of(plan(2, 4, 0), schema, 7, 3)};
    EXPECT(client.poll() == 2 && !client.fault() && client.action(0).chunk == 2 && client.bark(client.action(0).bark[0]) == client.bark(1));
    client.push(4, {{"npc", ids, wide}});
    wire.down = {frame_of(plan(3, 4, 0), schema, 7, 4)};
    after(0);
    EXPECT(fault(Fault::Kind::local));  // the answer is to a snapshot that is no later
    wire.down = {frame_of(plan(4, 5, 0), schema, 7, 5), frame_of(plan(5, 3, 0), schema, 7, 5)};
    after(0);
    EXPECT(fault(Fault::Kind::not_ours) && client.action(0).chunk == 4);  // the second would begin before what it answers
    wire.down = {frame_of(plan(5, 5, 0), schema, 7, 5)};
    after(0);
    EXPECT(!client.fault());
    const Pose pose{0.1, 0, 0.4, 0};  // within WELCOME's tolerance, and beyond its fresh steps in the tick after
    client.step(5, ids, {&pose, 1});
    EXPECT(client.executing().rung[0] == Rung::plan);
    client.step(6, ids, {&pose, 1});
    EXPECT(client.executing().rung[0] == Rung::tail);

    wire.up.clear();
    wire.down = {error(7, Code::session, true)};
    after(0);
    EXPECT(client.session() == 0 && wire.sent(Kind::hello) == 1 && wire.nonce == first + 1);
    wire.down = {error(0, Code::model, true)};
    after(0);
    EXPECT(fault(Fault::Kind::reported));
    after(999999);
    EXPECT(wire.sent(Kind::hello) == 0);
    after(1);
    EXPECT(wire.sent(Kind::hello) == 1 && wire.nonce == first + 2);
    wire.down = {welcome(schema, 9, first + 2)};
    after(0);
    EXPECT(client.session() == 9);
    client.restart(yard(8));
    after(0);
    EXPECT(client.session() == 0 && wire.sent(Kind::hello) == 1 && wire.nonce == first + 3);
    wire.down = {welcome(yard(8), 10, first + 3)};
    after(0);
    EXPECT(client.session() == 10);
    wire.down = {Bytes(3), error(0, Code::version, true)};
    wire.events = {Link::down};
    after(0);
    EXPECT(client.session() == 0 && fault(Fault::Kind::lost));
    after(2000000);
    EXPECT(wire.sent(Kind::hello) == 0);
    wire.events = {Link::refused};
    after(0);
    EXPECT(fault(Fault::Kind::not_listening));
    wire.events = {Link::stranger};
    after(0);
    EXPECT(fault(Fault::Kind::not_ours));
}

void ladder_without_plans() {
    Ladder ladder(yard(15), [](std::int64_t, std::uint32_t id, const Pose&, float* command) {
        command[0] = id == 2 ? NAN : 100;
        return id != 3;
    });
    const std::vector<std::uint32_t> ids = {1, 2, 3, 4};
    const std::vector<Pose> poses(4, {0, 0, 3, -4});
    const std::vector<std::uint8_t> alive = {1, 1, 1, 0};
    ladder.step(1, ids, poses, alive);
    const std::vector<Rung> rungs = {Rung::callback, Rung::brake, Rung::brake, Rung::none};
    EXPECT(ladder.executing().rung == rungs);
    const auto& u = ladder.commands();
    EXPECT(u[0] == 6 && u[1] == 0 && u[2] == 2);  // clamped; the rest is what stood there
    EXPECT(std::abs(u[3] - 2.7f) < 1e-6f && std::abs(u[4] + 3.6f) < 1e-6f && u[5] == 2);  // 5 m/s less 15/30
    EXPECT(u[6] == u[3] && u[9] == 0 && u[10] == 0 && u[11] == 2);
    EXPECT(ladder.counters().callback == 1 && ladder.counters().brake == 2);
}

void ladder_off_its_plans() {
    Ladder ladder(yard(15));
    ladder.start(7);
    const std::vector<std::uint32_t> ids = {1};
    Action older = plan(3, 1, 0), newer = plan(6, 1, 4), again = plan(6, 1, 4), late = plan(8, 0, 0);
    EXPECT(ladder.accept(older) && ladder.accept(newer) && !ladder.accept(again));
    const auto at = [&](std::int64_t tick, double x, double vx) {
        const Pose pose{x, 0, vx, 0};
        ladder.step(tick, ids, {&pose, 1});
        return ladder.executing().rung[0];
    };
    EXPECT(at(0, 0, 0) == Rung::brake && ladder.counters().off_pose == 0);  // nothing is due
    EXPECT(at(1, 0, 0) == Rung::tail && ladder.executing().chunk[0] == 3 && ladder.counters().off_pose == 1);
    EXPECT(at(1, 4, 0) == Rung::plan && ladder.executing().chunk[0] == 6 && ladder.counters().off_pose == 1);
    EXPECT(at(1, 9, 3) == Rung::brake && ladder.counters().off_pose == 2);  // once, whatever number does not fit
    EXPECT(std::abs(ladder.commands()[0] - 2.8f) < 1e-6f);                  // 3 m/s less 6/30
    EXPECT(at(2, 4, 0.06) == Rung::brake && at(3, 4, 0) == Rung::brake && ladder.counters().off_pose == 3);
    EXPECT(!ladder.accept(late) && ladder.counters().stale_dropped == 2);
}

bool holds(std::size_t bytes, std::uint64_t floats) {
    const Bytes frame(bytes);
    try {
        Cursor(frame, HEADER_BYTES, "test").skip<float>(floats);
        return true;
    } catch (const ProtocolError& error) {
        return error.code != Code::length;
    }
}

void sizes() {
    EXPECT(holds(64, 4) && holds(64, 1) && holds(48, 0));
    EXPECT(!holds(64, 5) && !holds(63, 3) && !holds(47, 0));
    EXPECT(!holds(64, std::uint64_t{1} << 62) && !holds(64, UINT64_MAX) && !holds(64, (std::uint64_t{1} << 62) - 1));
}

}  // namespace

int main() {
    sizes();
    session_and_faults();
    ladder_without_plans();
    ladder_off_its_plans();
}
