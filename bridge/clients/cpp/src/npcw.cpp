// The C ABI over the headers. No exception leaves this file.

#include "npcw/npcw.h"

#include "npcw/zeromq.hpp"

namespace {

std::string or_else(const char* given, const char* otherwise) { return given ? given : otherwise; }

npcw::Field field(const npcw_field& f) {
    return {or_else(f.name, ""), or_else(f.unit, ""), f.low, f.high, or_else(f.role, ""), or_else(f.nan, "reject"), f.default_value, {}, or_else(f.coding, "f32")};
}

npcw::Entity entity(const npcw_entity& e) {
    npcw::Entity out{or_else(e.name, ""), or_else(e.role, ""), e.max_count, {}};
    for (std::size_t i = 0; i < e.field_count; ++i) out.fields.push_back(field(e.fields[i]));
    return out;
}

npcw::Channel channel(const npcw_channel& c) {
    return {or_else(c.name, ""), or_else(c.unit, ""), c.low, c.high, or_else(c.kind, "continuous"), c.default_value, c.count, c.hold != 0};
}

npcw::Polygon polygon(const npcw_polygon& p) {
    npcw::Polygon out{or_else(p.name, ""), or_else(p.kind, ""), {}, p.see_through == 0};
    for (std::size_t i = 0; i < p.vertex_count; ++i) out.vertices.push_back({p.vertices[2 * i], p.vertices[2 * i + 1]});
    return out;
}

npcw::Schema schema(const npcw_schema& s) {
    npcw::Declaration d;
    d.game = or_else(s.game, "");
    d.tick_hz = s.tick_hz;
    d.coordinates = or_else(s.coordinates, "wire");
    std::copy_n(s.bounds, 4, d.bounds.begin());
    for (std::size_t i = 0; i < s.entity_count; ++i) d.entities.push_back(entity(s.entities[i]));
    for (std::size_t i = 0; i < s.channel_count; ++i) d.channels.push_back(channel(s.channels[i]));
    const npcw_kinematics& k = s.kinematics;
    d.kinematics = {k.max_speed, k.max_acceleration, k.brake, k.radius, k.turn_rate, or_else(k.kind, "velocity"), k.cell, k.diagonals != 0};
    for (std::size_t i = 0; i < s.polygon_count; ++i) d.polygons.push_back(polygon(s.polygons[i]));
    for (std::size_t i = 0; i < s.bark_count; ++i) d.barks.push_back(or_else(s.barks[i], ""));
    std::copy_n(s.origin, 2, d.origin.begin());
    return npcw::Schema(std::move(d));
}

npcw::Options options(npcw_fallback fallback, void* user) {
    npcw::Options out;
    if (fallback) {
        out.fallback = [=](std::int64_t tick, std::uint32_t id, const npcw::Pose& p, float* command) {
            const float pose[] = {static_cast<float>(p.x), static_cast<float>(p.y), static_cast<float>(p.vx), static_cast<float>(p.vy)};
            return fallback(user, tick, id, pose, command) != 0;
        };
    }
    return out;
}

/// Runs what may throw; returns `otherwise` where it does.
template <class Result, class Work>
Result guarded(Result otherwise, const Work& work) noexcept {
    try {
        return work();
    } catch (...) {
        return otherwise;
    }
}

}  // namespace

struct npcw_client {
    npcw::Client client;
    std::vector<npcw::Pose> poses{};
    std::vector<npcw::Block> blocks{};

    npcw_client(const char* endpoint, const npcw_schema& declared, npcw_fallback fallback, void* user)
        : client(std::make_unique<npcw::ZeroMq>(endpoint), schema(declared), options(fallback, user)) {}

    std::size_t fields(const char* name) const {
        for (const npcw::Entity& e : client.schema().entities()) if (e.name == name) return e.fields.size();
        return 0;  // the client refuses a type that it does not know
    }
};

extern "C" {

npcw_client* npcw_open(const char* endpoint, const npcw_schema* declared, npcw_fallback fallback, void* user) {
    return guarded<npcw_client*>(nullptr, [&] { return new npcw_client(endpoint, *declared, fallback, user); });
}

size_t npcw_poll(npcw_client* c) {
    return guarded<std::size_t>(0, [&] { return c->client.poll(); });
}

int npcw_step(npcw_client* c, int64_t tick, size_t n, const uint32_t* ids, const float* pose, const uint8_t* alive, float* commands, uint8_t* rung) {
    const std::size_t k = c->client.schema().channels().size();
    std::fill_n(commands, n * k, 0.0f);
    if (rung) std::fill_n(rung, n, static_cast<std::uint8_t>(NPCW_NONE));
    return guarded(0, [&] {
        c->poses.resize(n);
        for (std::size_t i = 0; i < n; ++i) c->poses[i] = {pose[4 * i], pose[4 * i + 1], pose[4 * i + 2], pose[4 * i + 3]};
        c->client.step(tick, {ids, n}, c->poses, alive ? npcw::Span<std::uint8_t>(alive, n) : npcw::Span<std::uint8_t>());
        std::copy_n(c->client.commands().data(), n * k, commands);
        for (std::size_t i = 0; rung && i < n; ++i) rung[i] = static_cast<std::uint8_t>(c->client.executing().rung[i]);
        return 1;
    });
}

int npcw_push(npcw_client* c, int64_t tick, const npcw_block* blocks, size_t count) {
    return guarded(0, [&] {
        c->blocks.clear();
        for (std::size_t i = 0; i < count; ++i) {
            const npcw_block& b = blocks[i];
            const char* name = b.entity ? b.entity : "";
            c->blocks.push_back({name, {b.ids, b.rows}, {b.values, b.rows * c->fields(name)}});
        }
        return static_cast<int>(c->client.push(tick, c->blocks));
    });
}

void npcw_restart(npcw_client* c, const npcw_schema* declared) {
    guarded(0, [&] { return declared ? c->client.restart(schema(*declared)) : c->client.restart(), 0; });
}

const char* npcw_fault(const npcw_client* c) { return c->client.fault() ? npcw::name(c->client.fault()->kind) : ""; }
const char* npcw_fault_text(const npcw_client* c) { return c->client.fault() ? c->client.fault()->text.c_str() : ""; }
const char* npcw_fault_remedy(const npcw_client* c) { return c->client.fault() ? c->client.fault()->remedy.c_str() : ""; }

uint32_t npcw_session(const npcw_client* c) { return c->client.session(); }

const char* npcw_bark(const npcw_client* c, uint32_t id) {
    if (c->client.session() == 0) return "";
    const npcw::Action& newest = c->client.action(0);
    const std::int64_t row = newest.row.find(id);
    return row < 0 ? "" : c->client.bark(newest.bark[static_cast<std::size_t>(row)]);
}

npcw_counters npcw_count(const npcw_client* c) {
    const npcw::Counters& n = c->client.counters();
    return {n.planned, n.tail, n.callback, n.brake, n.stale_dropped, n.off_pose, c->client.snapshots_sent(), c->client.snapshots_dropped()};
}

void npcw_close(npcw_client* c) {
    guarded(0, [&] { return delete c, 0; });
}

}  // extern "C"
