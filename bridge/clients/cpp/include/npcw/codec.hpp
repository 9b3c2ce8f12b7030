// The bytes of NPCW 1 (PROTOCOL.md): headers, bodies, snapshots and actions. No I/O, no clock.
#pragma once

#include <cmath>
#include <string_view>

#include "schema.hpp"

namespace npcw {

inline constexpr std::uint8_t MAJOR = 1;
inline constexpr std::size_t HEADER_BYTES = 48;
inline constexpr std::uint64_t LAST_TICK = (std::uint64_t{1} << 62) - 1;

enum class Kind : std::uint8_t { hello = 1, welcome, schema, snapshot, action, error, control, ack, telemetry, bye };
enum Flag : std::uint16_t { KEYFRAME = 1, DELTA = 2, FALLBACK = 4, REPLAY = 8 };
enum class Rung : std::uint8_t { plan, tail, callback, brake, none };

inline const char* name(Kind kind) {
    static constexpr const char* NAMES[] = {"", "HELLO", "WELCOME", "SCHEMA", "SNAPSHOT", "ACTION", "ERROR", "CONTROL", "ACK", "TELEMETRY", "BYE"};
    return NAMES[static_cast<int>(kind)];
}

// ---- header

struct Header {
    Kind kind{};
    std::uint16_t flags = 0;
    std::uint32_t session = 0;
    std::uint32_t schema_id = 0;
    std::uint64_t tick = 0;
    std::int64_t time_us = 0;
    std::uint32_t sequence = 0;
    std::uint32_t count = 0;
    std::uint16_t fields = 0;
    std::uint8_t dtype = 0;
    std::uint8_t blocks = 0;
    std::uint32_t extra = 0;
};

/// Writes the 48 bytes of a header.
inline void write_header(std::uint8_t* at, const Header& h) {
    std::memcpy(at, "NPCW", 4);
    at[4] = MAJOR;
    at[5] = static_cast<std::uint8_t>(h.kind);
    store(at + 6, h.flags);
    store(at + 8, h.session);
    store(at + 12, h.schema_id);
    store(at + 16, h.tick);
    store(at + 24, h.time_us);
    store(at + 32, h.sequence);
    store(at + 36, h.count);
    store(at + 40, h.fields);
    at[42] = h.dtype;
    at[43] = h.blocks;
    store(at + 44, h.extra);
}

/// Reads and checks what all kinds share.
inline Header read_header(Span<std::uint8_t> frame, const Limits& limits = {}) {
    if (frame.size > limits.frame_bytes) refuse(Code::limit, "message: expected at most ", limits.frame_bytes, " bytes, got ", frame.size);
    if (frame.size < 4 || std::memcmp(frame.data, "NPCW", 4) != 0) refuse(Code::magic, "message: expected it to begin with NPCW");
    if (frame.size < 6) refuse(Code::length, "message: expected at least ", HEADER_BYTES, " bytes, got ", frame.size);
    if (frame[4] != MAJOR) refuse(Code::version, "message: expected major version ", int{MAJOR}, ", got ", int{frame[4]});
    if (frame.size < HEADER_BYTES) refuse(Code::length, "message: expected at least ", HEADER_BYTES, " bytes, got ", frame.size);
    if (frame[5] < 1 || frame[5] > 10) refuse(Code::value, "message: expected a kind 1..10, got ", int{frame[5]});
    Header h;
    h.kind = static_cast<Kind>(frame[5]);
    h.flags = load<std::uint16_t>(frame.data + 6);
    h.session = load<std::uint32_t>(frame.data + 8);
    h.schema_id = load<std::uint32_t>(frame.data + 12);
    h.tick = load<std::uint64_t>(frame.data + 16);
    h.time_us = load<std::int64_t>(frame.data + 24);
    h.sequence = load<std::uint32_t>(frame.data + 32);
    h.count = load<std::uint32_t>(frame.data + 36);
    h.fields = load<std::uint16_t>(frame.data + 40);
    h.dtype = frame[42];
    h.blocks = frame[43];
    h.extra = load<std::uint32_t>(frame.data + 44);
    if (h.flags & ~15) refuse(Code::value, name(h.kind), ": unknown flags ", h.flags);
    if (h.flags & DELTA && h.kind != Kind::snapshot) refuse(Code::value, name(h.kind), ": expected no delta");
    if (h.tick > LAST_TICK) refuse(Code::value, name(h.kind), ": expected ticks up to ", LAST_TICK, ", got ", h.tick);
    return h;
}

inline void check_schema_id(const Header& header, std::uint32_t id) {
    if (header.schema_id != id) refuse(Code::schema, name(header.kind), ": expected schema id ", id, ", got ", header.schema_id);
}

// ---- bodies

/// Returns a frame of any kind but SNAPSHOT and ACTION.
inline Bytes encode_body(Header header, const Value& body) {
    Bytes out(HEADER_BYTES);
    Packer(out).put(body);
    header.extra = static_cast<std::uint32_t>(out.size() - HEADER_BYTES);
    write_header(out.data(), header);
    return out;
}

/// Checks a frame's header and reads its body.
inline Map decode_body(Span<std::uint8_t> frame, const Header& h, const Limits& limits = {}) {
    if (h.dtype || h.fields || h.count || h.blocks || h.flags) refuse(Code::value, name(h.kind), ": expected flags, count, fields, dtype and blocks 0");
    const std::uint64_t size = HEADER_BYTES + std::uint64_t{h.extra};
    if (frame.size != size) refuse(Code::length, name(h.kind), ": expected ", size, " bytes, got ", frame.size);
    return unpack({frame.data + HEADER_BYTES, h.extra}, limits);
}

/// Takes typed entries out of a body; every refusal (VALUE) names the entry. Entries nobody asks for are ignored.
class Reader {
public:
    Reader(const Map& body, std::string where, const Limits& limits) : body_(body), where_(std::move(where)), limits_(limits) {}

    std::uint32_t integer(const char* key, std::uint32_t low, std::uint32_t high) const { return integer(at(key), key, low, high); }
    std::string text(const char* key, std::size_t most) const { return text(at(key), key, most); }
    std::string name(const char* key) const { return text(key, limits_.name_bytes); }

    double number(const char* key) const {
        const Value& v = at(key);
        if (const auto* real = v.as<double>()) return *real;
        if (const auto* whole = v.as<std::uint64_t>()) return static_cast<double>(*whole);
        if (const auto* below = v.as<std::int64_t>()) return static_cast<double>(*below);
        wrong(key, "a number");
    }

    bool flag(const char* key) const {
        if (const auto* v = at(key).as<bool>()) return *v;
        wrong(key, "true or false");
    }

    const Bytes& blob(const char* key, std::size_t most) const {
        if (const auto* v = at(key).as<Bytes>(); v && v->size() <= most) return *v;
        wrong(key, npcw::text("at most ", most, " bytes"));
    }

    const Map& map(const char* key) const {
        if (const auto* v = at(key).as<Map>()) return *v;
        wrong(key, "a map");
    }

    std::vector<std::string> texts(const char* key, std::size_t most, std::size_t most_bytes) const {
        std::vector<std::string> out;
        for (const Value& v : list(key, most)) out.push_back(text(v, key, most_bytes));
        return out;
    }

    std::vector<std::uint32_t> integers(const char* key, std::size_t most, std::uint32_t low, std::uint32_t high) const {
        std::vector<std::uint32_t> out;
        for (const Value& v : list(key, most)) out.push_back(integer(v, key, low, high));
        return out;
    }

private:
    [[noreturn]] void wrong(const char* key, const std::string& expected) const { refuse(Code::value, where_, ".", key, ": expected ", expected); }

    const Value& at(const char* key) const {
        const Value* v = find(body_, key);
        if (!v) refuse(Code::value, where_, ": expected '", key, "', got nothing");
        return *v;
    }

    const List& list(const char* key, std::size_t most) const {
        if (const auto* v = at(key).as<List>(); v && v->size() <= most) return *v;
        wrong(key, npcw::text("a list of at most ", most));
    }

    std::uint32_t integer(const Value& v, const char* key, std::uint32_t low, std::uint32_t high) const {
        const auto* whole = v.as<std::uint64_t>();
        if (!whole || *whole < low || *whole > high) wrong(key, npcw::text("an integer ", low, "..", high));
        return static_cast<std::uint32_t>(*whole);
    }

    std::string text(const Value& v, const char* key, std::size_t most) const {
        const auto* s = v.as<std::string>();
        if (!s || s->size() > most) wrong(key, npcw::text("a string of at most ", most, " bytes"));
        return *s;
    }

    const Map& body_;
    std::string where_;
    const Limits& limits_;
};

struct Welcome {
    std::uint32_t session = 0, nonce = 0;
    std::uint32_t major = 0;
    std::string schema_sha256;
    Limits limits;  // the brain's
    std::uint32_t heartbeat_ms = 0, lead_ticks = 0, fresh_steps = 0;
    double velocity_tolerance = 0;
    std::string server;
    std::vector<std::string> capabilities, barks;
    std::vector<std::pair<std::string, std::string>> model;
    std::vector<std::string> warnings;
    std::string control, telemetry;  // endpoints
    std::string resume;              // said in HELLO, it goes on with this session over another connection
};

inline Welcome decode_welcome(Span<std::uint8_t> frame, const Header& header, const Limits& limits = {}) {
    const Map body = decode_body(frame, header, limits);
    const Reader r(body, "WELCOME", limits);
    Welcome w;
    if (header.session == 0) refuse(Code::value, "WELCOME: expected a session other than 0");
    w.session = header.session;
    w.nonce = header.sequence;
    w.major = r.integer("major", 1, 255);
    w.schema_sha256 = r.name("schema_sha256");
    const Reader given(r.map("limits"), "WELCOME.limits", limits);
    for (const auto& [key, limit] : LIMIT_NAMES) if (find(r.map("limits"), key)) w.limits.*limit = given.integer(key, 1, UINT32_MAX);
    w.heartbeat_ms = r.integer("heartbeat_ms", 1, 60000);
    w.lead_ticks = r.integer("lead_ticks", 0, 1000);
    w.fresh_steps = r.integer("fresh_steps", 1, 1000);
    w.velocity_tolerance = r.number("velocity_tolerance");
    if (w.velocity_tolerance < 0) refuse(Code::value, "WELCOME.velocity_tolerance: expected at least 0");
    w.server = r.name("server");
    w.capabilities = r.texts("capabilities", 64, limits.name_bytes);
    w.barks = r.texts("barks", limits.barks, limits.name_bytes);
    const Reader facts(r.map("model"), "WELCOME.model", limits);
    for (const Entry& fact : r.map("model")) w.model.emplace_back(fact.key, facts.text(fact.key.c_str(), limits.text_bytes));
    w.warnings = r.texts("warnings", limits.items, limits.text_bytes);
    w.control = r.text("control", 256);
    w.telemetry = r.text("telemetry", 256);
    if (find(body, "resume")) w.resume = r.name("resume");
    return w;
}

struct ErrorReport {
    Code code{};
    bool fatal = false;
    std::string text, remedy;
};

inline ErrorReport decode_error(Span<std::uint8_t> frame, const Header& header, const Limits& limits = {}) {
    const Map body = decode_body(frame, header, limits);
    const Reader r(body, "ERROR", limits);
    return {static_cast<Code>(r.integer("code", 1, 15)), r.flag("fatal"), r.text("text", 1024), r.text("remedy", 1024)};
}

// ---- snapshots

/// Rows of one entity type: ids, and values in the schema's units and order of fields, row by row.
struct Block {
    std::string_view entity;
    Span<std::uint32_t> ids;
    Span<float> values;
};

/// What each NPC did in the last tick.
struct Executing {
    std::vector<std::uint32_t> ids, chunk;
    std::vector<std::uint16_t> step;
    std::vector<Rung> rung;
};

/// Writes a SNAPSHOT into `out`, whose memory is used again. Of the header: flags, session, schema_id, tick, time_us, sequence.
/// Throws std::invalid_argument where blocks do not fit the schema.
inline void encode_snapshot(Bytes& out, Header header, const Schema& schema, Span<Block> blocks, const Executing& doing) {
    const auto wrong = [](const std::string& what) { throw std::invalid_argument("SNAPSHOT: " + what); };
    const auto block_of = [&](const Entity& entity) {
        const Block* found = nullptr;
        for (const Block& block : blocks) if (block.entity == entity.name) found = &block;
        return found;
    };
    const std::size_t n = doing.ids.size();
    std::uint64_t size = HEADER_BYTES + padded(8 * blocks.size) + 2 * padded(4 * n) + padded(2 * n) + padded(n);
    std::uint64_t rows = 0;
    std::size_t present = 0;
    for (const Entity& entity : schema.entities()) {
        const Block* block = block_of(entity);
        if (!block) continue;
        const std::size_t cells = block->ids.size * entity.fields.size();
        if (block->values.size != cells) wrong(text("entity '", entity.name, "': expected ", cells, " values, got ", block->values.size));
        size += padded(4 * block->ids.size) + padded(4 * cells);
        rows += block->ids.size;
        ++present;
    }
    if (present != blocks.size) wrong("expected entity types of the schema, each once");
    if (size > UINT32_MAX) wrong("expected fewer rows");
    out.assign(static_cast<std::size_t>(size), 0);
    header.kind = Kind::snapshot;
    header.count = static_cast<std::uint32_t>(rows);
    header.dtype = 1;
    header.blocks = static_cast<std::uint8_t>(present);
    header.extra = static_cast<std::uint32_t>(n);
    write_header(out.data(), header);
    std::uint8_t* at = out.data() + HEADER_BYTES;
    std::uint8_t* row = at;
    at += padded(8 * present);
    const auto put = [&](const void* from, std::size_t bytes) {
        if (bytes != 0) std::memcpy(at, from, bytes);
        at += padded(bytes);
    };
    for (std::size_t i = 0; i < schema.entities().size(); ++i) {
        const Block* block = block_of(schema.entities()[i]);
        if (!block) continue;
        store(row, static_cast<std::uint16_t>(i));
        store(row + 2, static_cast<std::uint16_t>(schema.entities()[i].fields.size()));
        store(row + 4, static_cast<std::uint32_t>(block->ids.size));
        row += 8;
        put(block->ids.data, 4 * block->ids.size);
        put(block->values.data, 4 * block->values.size);
    }
    put(doing.ids.data(), 4 * n);
    put(doing.chunk.data(), 4 * n);
    put(doing.step.data(), 2 * n);
    put(doing.rung.data(), n);
}

// ---- actions

/// Finds the row of an id.
class Rows {
public:
    void build(Span<std::uint32_t> ids) {
        sorted_.clear();
        for (std::size_t i = 0; i < ids.size; ++i) sorted_.emplace_back(ids[i], static_cast<std::uint32_t>(i));
        std::sort(sorted_.begin(), sorted_.end());
    }

    /// Returns the row of an id, -1 without one.
    std::int64_t find(std::uint32_t id) const {
        const auto at = std::lower_bound(sorted_.begin(), sorted_.end(), std::pair<std::uint32_t, std::uint32_t>(id, 0));
        return at != sorted_.end() && at->first == id ? std::int64_t{at->second} : -1;
    }

    /// Refuses 0 and what stands twice (VALUE).
    void expect_distinct(const char* where) const {
        for (std::size_t i = 0; i < sorted_.size(); ++i) {
            const std::uint32_t id = sorted_[i].first;
            if (id == 0 || (i > 0 && id == sorted_[i - 1].first)) refuse(Code::value, where, ": expected ids above 0, each once, got ", id);
        }
    }

private:
    std::vector<std::pair<std::uint32_t, std::uint32_t>> sorted_;
};

/// Checked steps for n NPCs, m ticks, k channels; step i is for tick apply_tick + i.
struct Action {
    Header header;  // tick is that of the snapshot answered
    std::uint64_t apply_tick = 0, valid_until_tick = 0;
    std::int64_t received_us = 0, planned_us = 0;  // brain's clock
    std::uint32_t chunk = 0;
    std::uint16_t m = 0, k = 0;
    std::vector<std::uint32_t> ids;         // n
    std::vector<float> steps;               // n m k
    std::vector<float> expected;            // n m 4: x, y, vx, vy at the start of each step
    std::vector<float> brake, tolerance;    // n, m/s^2 and m
    std::vector<std::uint8_t> status;       // n, bits: 1 guarded, 2 planned in this tick, 4 changed by the shield
    std::vector<std::uint16_t> bark;        // n, number of a bark, 0 none
    Rows row;

    /// Last tick that has a step.
    std::int64_t last() const { return static_cast<std::int64_t>(std::min(valid_until_tick, apply_tick + m - 1)); }
};

/// Refuses what a game must not execute.
inline void check_action(const Action& a, const Schema& schema) {
    if (!(a.header.tick <= a.apply_tick && a.apply_tick <= a.valid_until_tick)) refuse(Code::value, "ACTION: expected source <= apply <= valid until");
    a.row.expect_distinct("ACTION");
    for (std::size_t c = 0; c < a.k; ++c) {
        const Channel& channel = schema.channels()[c];
        const auto low = static_cast<float>(channel.low), high = static_cast<float>(channel.high);
        for (std::size_t i = c; i < a.steps.size(); i += a.k) {
            const float v = a.steps[i];
            if (!(v >= low && v <= high)) refuse(Code::value, "ACTION: channel '", channel.name, "': expected ", low, "..", high, ", got ", v);
            if (channel.kind == "discrete" && v != std::trunc(v)) refuse(Code::value, "ACTION: channel '", channel.name, "': expected whole numbers, got ", v);
        }
    }
    for (const float v : a.expected) if (!std::isfinite(v)) refuse(Code::value, "ACTION: expected finite poses");
    for (const auto* numbers : {&a.brake, &a.tolerance}) {
        for (const float v : *numbers) if (!std::isfinite(v) || v < 0) refuse(Code::value, "ACTION: expected brake and tolerance of at least 0, got ", v);
    }
    for (const std::uint8_t bits : a.status) if (bits > 7) refuse(Code::value, "ACTION: status: expected the bits 1, 2 and 4 only");
}

/// Reads an ACTION into `a`, whose memory is used again; what is refused leaves `a` in a condition nobody may read.
inline void decode_action(Action& a, Span<std::uint8_t> frame, const Header& header, const Schema& schema, const Limits& limits = {}) {
    check_schema_id(header, schema.id);
    if (header.dtype != 1 || header.fields || header.blocks || header.extra != 48) refuse(Code::value, "ACTION: expected dtype 1, no blocks, a sub-header of 48 bytes");
    if (header.count > limits.entities) refuse(Code::limit, "ACTION: expected at most ", limits.entities, " NPCs, got ", header.count);
    Cursor at(frame, HEADER_BYTES, "ACTION");
    const std::uint8_t* sub = at.skip<std::uint8_t>(48);
    a.header = header;
    a.apply_tick = load<std::uint64_t>(sub);
    a.valid_until_tick = load<std::uint64_t>(sub + 8);
    a.received_us = load<std::int64_t>(sub + 16);
    a.planned_us = load<std::int64_t>(sub + 24);
    a.chunk = load<std::uint32_t>(sub + 32);
    a.m = load<std::uint16_t>(sub + 36);
    a.k = load<std::uint16_t>(sub + 38);
    if (a.k != schema.channels().size() || load<std::uint64_t>(sub + 40) != 0) refuse(Code::value, "ACTION: expected ", schema.channels().size(), " channels and reserved 0");
    if (a.apply_tick > LAST_TICK || a.valid_until_tick > LAST_TICK) refuse(Code::value, "ACTION: expected ticks of 62 bits");
    if (a.m < 1 || a.m > limits.steps) refuse(Code::limit, "ACTION: expected 1..", limits.steps, " steps, got ", a.m);
    const std::uint64_t n = header.count;
    at.take(a.ids, n);
    at.take(a.steps, n * a.m * a.k);
    at.take(a.expected, n * a.m * 4);
    at.take(a.brake, n);
    at.take(a.tolerance, n);
    at.take(a.status, n);
    at.take(a.bark, n);
    at.expect_end();
    a.row.build(a.ids);
    check_action(a, schema);
}

}  // namespace npcw
