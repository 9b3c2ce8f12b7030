// What a game declares once: entities, channels, bodies, walls. The canonical bytes are its identity.
//
// Names and defaults are those of docs/reference/schema.md. The brain judges a schema and says what is wrong with it; here it is only written down.
#pragma once

#include <array>
#include <cstdio>

#include "msgpack.hpp"
#include "sha256.hpp"

namespace npcw {

struct Field {
    std::string name{}, unit{};
    double low = 0, high = 0;
    std::string role{}, nan = "reject";
    double default_value = 0;
    std::vector<std::string> aliases{};
    std::string coding = "f32";
};

struct Entity {
    std::string name{}, role{};
    std::uint32_t max_count = 0;
    std::vector<Field> fields{};
};

struct Channel {
    std::string name{}, unit{};
    double low = 0, high = 0;
    std::string kind = "continuous";
    double default_value = 0;
    std::uint32_t count = 0;
    bool hold = false;
};

struct Kinematics {
    double max_speed = 0, max_acceleration = 0, brake = 0, radius = 0, turn_rate = 0;
    std::string kind = "velocity";
    double cell = 0;
    bool diagonals = false;
};

struct Polygon {
    std::string name{}, kind{};
    std::vector<std::array<double, 2>> vertices{};
    bool opaque = true;
};

struct Declaration {
    std::string game{};
    double tick_hz = 30;
    std::string coordinates = "wire";
    std::array<double, 4> bounds{};  // x and y, lowest, then highest
    std::vector<Entity> entities{};
    std::vector<Channel> channels{};
    Kinematics kinematics{};
    std::vector<Polygon> polygons{};
    std::vector<std::string> barks{};
    std::array<double, 2> origin{};
};

/// A declaration with its bytes, their SHA-256 in hexadecimal, and the id that frames carry.
class Schema {
public:
    Declaration declared;
    Bytes canonical;
    std::string sha256;
    std::uint32_t id;

    explicit Schema(Declaration declaration) : declared(std::move(declaration)), canonical(pack(body(declared))) {
        const auto words = npcw::sha256(canonical);
        id = words[0];
        for (const std::uint32_t word : words) {
            char hex[9];
            std::snprintf(hex, sizeof hex, "%08x", static_cast<unsigned>(word));
            sha256 += hex;
        }
    }

    const std::vector<Entity>& entities() const { return declared.entities; }
    const std::vector<Channel>& channels() const { return declared.channels; }
    double dt() const { return 1 / declared.tick_hz; }

    /// Returns a channel's index, -1 if there is none of that name.
    int channel(const char* name) const {
        for (std::size_t i = 0; i < channels().size(); ++i) if (channels()[i].name == name) return static_cast<int>(i);
        return -1;
    }

private:
    static double real(double v) { return v + 0.0; }  // turns -0 into 0

    template <class Items, class Each>
    static List list(const Items& items, const Each& each) {
        List out;
        for (const auto& item : items) out.push_back(each(item));
        return out;
    }

    static Value texts(const std::vector<std::string>& items) { return list(items, [](const std::string& s) { return s; }); }

    template <std::size_t n>
    static Value reals(const std::array<double, n>& items) { return list(items, real); }

    static Value field(const Field& f) {
        Map out = {{"name", f.name}, {"unit", f.unit}, {"low", real(f.low)}, {"high", real(f.high)}, {"role", f.role}, {"nan", f.nan},
            {"default", real(f.default_value)}, {"aliases", texts(f.aliases)}};
        if (f.coding != "f32") out.push_back({"coding", f.coding});
        return out;
    }

    static Value entity(const Entity& e) {
        return Map{{"name", e.name}, {"role", e.role}, {"max_count", e.max_count}, {"fields", list(e.fields, field)}};
    }

    static Value channel(const Channel& c) {
        return Map{{"name", c.name}, {"unit", c.unit}, {"low", real(c.low)}, {"high", real(c.high)}, {"kind", c.kind},
            {"default", real(c.default_value)}, {"count", c.count}, {"hold", c.hold}};
    }

    static Value kinematics(const Kinematics& k) {
        Map out = {{"max_speed", real(k.max_speed)}, {"max_acceleration", real(k.max_acceleration)}, {"brake", real(k.brake)},
            {"radius", real(k.radius)}, {"turn_rate", real(k.turn_rate)}, {"kind", k.kind}};
        if (k.kind == "grid") out.push_back({"cell", real(k.cell)}), out.push_back({"diagonals", k.diagonals});
        return out;
    }

    static Value polygon(const Polygon& p) {
        return Map{{"name", p.name}, {"kind", p.kind}, {"vertices", list(p.vertices, reals<2>)}, {"opaque", p.opaque}};
    }

    static Value body(const Declaration& d) {
        Map out = {{"game", d.game}, {"tick_hz", real(d.tick_hz)}, {"coordinates", d.coordinates}, {"bounds", reals(d.bounds)},
            {"entities", list(d.entities, entity)}, {"channels", list(d.channels, [](const Channel& c) { return channel(c); })},
            {"kinematics", kinematics(d.kinematics)}, {"polygons", list(d.polygons, polygon)}, {"barks", texts(d.barks)}};
        if (d.origin[0] != 0 || d.origin[1] != 0) out.push_back({"origin", reals(d.origin)});
        return out;
    }
};

}  // namespace npcw
