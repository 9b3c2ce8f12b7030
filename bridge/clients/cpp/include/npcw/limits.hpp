// What is read at most, unless WELCOME says otherwise (PROTOCOL.md, Limits).
#pragma once

#include <cstdint>

namespace npcw {

struct Limits {
    std::uint32_t frame_bytes = 1 << 20;
    std::uint32_t body_bytes = 1 << 18;
    std::uint32_t schema_bytes = 1 << 16;
    std::uint32_t depth = 8;
    std::uint32_t items = 4096;
    std::uint32_t text_bytes = 4096;
    std::uint32_t name_bytes = 64;
    std::uint32_t entity_types = 16;
    std::uint32_t entities = 4096;
    std::uint32_t fields = 256;
    std::uint32_t channels = 64;
    std::uint32_t steps = 64;
    std::uint32_t polygons = 1024;
    std::uint32_t vertices = 256;
    std::uint32_t barks = 1024;
    std::uint32_t games = 64;
    std::uint32_t snapshots_per_s = 240;
    std::uint32_t controls_per_s = 30;
    std::uint32_t bad_messages = 10;
};

/// A limit's key in WELCOME.
struct LimitName {
    const char* name;
    std::uint32_t Limits::*limit;
};

inline constexpr LimitName LIMIT_NAMES[] = {
    {"frame_bytes", &Limits::frame_bytes},
    {"body_bytes", &Limits::body_bytes},
    {"schema_bytes", &Limits::schema_bytes},
    {"depth", &Limits::depth},
    {"items", &Limits::items},
    {"text_bytes", &Limits::text_bytes},
    {"name_bytes", &Limits::name_bytes},
    {"entity_types", &Limits::entity_types},
    {"entities", &Limits::entities},
    {"fields", &Limits::fields},
    {"channels", &Limits::channels},
    {"steps", &Limits::steps},
    {"polygons", &Limits::polygons},
    {"vertices", &Limits::vertices},
    {"barks", &Limits::barks},
    {"games", &Limits::games},
    {"snapshots_per_s", &Limits::snapshots_per_s},
    {"controls_per_s", &Limits::controls_per_s},
    {"bad_messages", &Limits::bad_messages},
};

}  // namespace npcw
