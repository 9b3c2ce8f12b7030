// What `python -m npc_bridge.conformance check ./conformance` runs: conformance FOLDER VERDICTS
//
// Reads every frame of the cases and writes it again, or says by which code it is refused; plays the ladder's scripts.
// Kinds that a game only sends are read here, and nowhere else in this client.

#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>

#include "npcw/coordinates.hpp"
#include "npcw/ladder.hpp"

using namespace npcw;

namespace {

std::string folder;

Bytes file(const std::string& name) {
    std::ifstream in(folder + "/" + name, std::ios::binary);
    if (!in) throw std::runtime_error("cannot read " + name);
    return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> lines(const std::string& name) {
    std::ifstream in(folder + "/" + name);
    std::vector<std::string> out;
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
}

std::string hex(const Bytes& bytes) {
    static const char* digits = "0123456789abcdef";
    std::string out;
    for (const std::uint8_t byte : bytes) out += {digits[byte >> 4], digits[byte & 15]};
    return out;
}

Bytes unhex(const std::string& s) {
    Bytes out;
    for (std::size_t i = 0; i + 1 < s.size(); i += 2) out.push_back(static_cast<std::uint8_t>(std::stoi(s.substr(i, 2), nullptr, 16)));
    return out;
}

// ---- schemas, from their canonical bytes

template <class T>
const T& as(const Value* value) {
    const T* typed = value ? value->as<T>() : nullptr;
    if (!typed) refuse(Code::schema, "schema: expected another type");
    return *typed;
}

template <class T>
const T& get(const Map& map, const char* key) { return as<T>(find(map, key)); }

template <class Item, class Each>
std::vector<Item> each(const Map& map, const char* key, const Each& read) {
    std::vector<Item> out;
    for (const Value& item : get<List>(map, key)) out.push_back(read(item));
    return out;
}

template <std::size_t n>
std::array<double, n> reals(const List& list) {
    std::array<double, n> out{};
    if (list.size() != n) refuse(Code::schema, "schema: expected ", n, " numbers");
    for (std::size_t i = 0; i < n; ++i) out[i] = as<double>(&list[i]);
    return out;
}

std::string string(const Value& v) { return as<std::string>(&v); }

Field field(const Value& value) {
    const Map& m = as<Map>(&value);
    return {get<std::string>(m, "name"), get<std::string>(m, "unit"), get<double>(m, "low"), get<double>(m, "high"), get<std::string>(m, "role"),
        get<std::string>(m, "nan"), get<double>(m, "default"), each<std::string>(m, "aliases", string), find(m, "coding") ? get<std::string>(m, "coding") : "f32"};
}

Entity entity(const Value& value) {
    const Map& m = as<Map>(&value);
    return {get<std::string>(m, "name"), get<std::string>(m, "role"), static_cast<std::uint32_t>(get<std::uint64_t>(m, "max_count")), each<Field>(m, "fields", field)};
}

Channel channel(const Value& value) {
    const Map& m = as<Map>(&value);
    return {get<std::string>(m, "name"), get<std::string>(m, "unit"), get<double>(m, "low"), get<double>(m, "high"), get<std::string>(m, "kind"),
        get<double>(m, "default"), static_cast<std::uint32_t>(get<std::uint64_t>(m, "count")), get<bool>(m, "hold")};
}

Kinematics kinematics(const Map& m) {
    const bool grid = get<std::string>(m, "kind") == "grid";
    return {get<double>(m, "max_speed"), get<double>(m, "max_acceleration"), get<double>(m, "brake"), get<double>(m, "radius"), get<double>(m, "turn_rate"),
        get<std::string>(m, "kind"), grid ? get<double>(m, "cell") : 0, grid && get<bool>(m, "diagonals")};
}

Polygon polygon(const Value& value) {
    const Map& m = as<Map>(&value);
    return {get<std::string>(m, "name"), get<std::string>(m, "kind"),
        each<std::array<double, 2>>(m, "vertices", [](const Value& v) { return reals<2>(as<List>(&v)); }), get<bool>(m, "opaque")};
}

/// Returns the schema of canonical bytes, which it must write again as they are (SCHEMA otherwise).
Schema schema_of(const Bytes& canonical) {
    Declaration d;
    try {
        const Map m = unpack(canonical);
        d.game = get<std::string>(m, "game");
        d.tick_hz = get<double>(m, "tick_hz");
        d.coordinates = get<std::string>(m, "coordinates");
        d.bounds = reals<4>(get<List>(m, "bounds"));
        d.entities = each<Entity>(m, "entities", entity);
        d.channels = each<Channel>(m, "channels", channel);
        d.kinematics = kinematics(get<Map>(m, "kinematics"));
        d.polygons = each<Polygon>(m, "polygons", polygon);
        d.barks = each<std::string>(m, "barks", string);
        if (find(m, "origin")) d.origin = reals<2>(get<List>(m, "origin"));
    } catch (const ProtocolError& error) {
        refuse(Code::schema, error.what());
    }
    const Kinematics& k = d.kinematics;
    const double needed = 2 * k.cell * (k.diagonals ? std::sqrt(2.0) : 1) * d.tick_hz * d.tick_hz;
    if (k.kind == "grid" && std::min(k.brake, k.max_acceleration) < needed) refuse(Code::schema, "kinematics: expected to stop at once");
    Schema schema(d);
    if (schema.canonical != canonical) refuse(Code::schema, "schema: expected canonical bytes");
    return schema;
}

// ---- what a game only sends

struct Part {
    std::size_t index;
    std::uint32_t rows;
};

/// Checks header and block table.
std::vector<Part> block_table(Cursor& at, const Header& h, const Schema& schema) {
    const Limits limits;
    check_schema_id(h, schema.id);
    if (h.dtype != 1 || h.fields) refuse(Code::value, "SNAPSHOT: expected dtype 1 and fields 0");
    if (h.blocks > schema.entities().size()) refuse(Code::limit, "SNAPSHOT: too many blocks");
    if (h.count > limits.entities || h.extra > limits.entities) refuse(Code::limit, "SNAPSHOT: too many rows");
    const std::uint8_t* table = at.skip<std::uint64_t>(h.blocks);
    std::vector<Part> parts;
    std::uint64_t rows = 0;
    for (std::size_t i = 0; i < h.blocks; ++i, table += 8) {
        const std::size_t index = load<std::uint16_t>(table), width = load<std::uint16_t>(table + 2);
        const auto n = load<std::uint32_t>(table + 4);
        const bool grows = parts.empty() || index > parts.back().index;
        if (!grows || index >= schema.entities().size() || width != schema.entities()[index].fields.size()) refuse(Code::value, "SNAPSHOT: block table");
        if (n > schema.entities()[index].max_count) refuse(Code::limit, "SNAPSHOT: too many rows of a type");
        parts.push_back({index, n});
        rows += n;
    }
    if (rows != h.count) refuse(Code::value, "SNAPSHOT: expected ", h.count, " rows in all, got ", rows);
    return parts;
}

Bytes snapshot(Span<std::uint8_t> frame, const Header& h, const Schema& schema) {
    Cursor at(frame, HEADER_BYTES, "SNAPSHOT");
    const auto parts = block_table(at, h, schema);
    std::vector<std::vector<std::uint32_t>> ids(parts.size());
    std::vector<std::vector<float>> values(parts.size());
    std::vector<std::uint32_t> all;
    std::vector<Block> blocks;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const Entity& entity = schema.entities()[parts[i].index];
        at.take(ids[i], parts[i].rows);
        at.take(values[i], std::uint64_t{parts[i].rows} * entity.fields.size());
        all.insert(all.end(), ids[i].begin(), ids[i].end());
        blocks.push_back({entity.name, ids[i], values[i]});
    }
    Executing doing;
    at.take(doing.ids, h.extra);
    at.take(doing.chunk, h.extra);
    at.take(doing.step, h.extra);
    at.take(doing.rung, h.extra);
    at.expect_end();
    Rows rows;
    rows.build(all);
    rows.expect_distinct("SNAPSHOT");
    rows.build(doing.ids);
    rows.expect_distinct("executing");
    for (const Rung rung : doing.rung) if (rung > Rung::none) refuse(Code::value, "executing: rung expected 0..4");
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const auto& fields = schema.entities()[parts[i].index].fields;
        for (std::size_t j = 0; j < values[i].size(); ++j) {
            if (!std::isfinite(values[i][j]) && fields[j % fields.size()].nan == "reject") refuse(Code::value, "field '", fields[j % fields.size()].name, "'");
        }
    }
    Bytes out;
    encode_snapshot(out, h, schema, blocks, doing);
    return out;
}

void delta(Span<std::uint8_t> frame, const Header& h, const Schema& schema) {
    Cursor at(frame, HEADER_BYTES, "SNAPSHOT");
    const std::uint8_t* sub = at.skip<std::uint64_t>(2);
    const auto baseline = load<std::uint64_t>(sub);
    if (load<std::uint64_t>(sub + 8) != 0 || (h.flags & KEYFRAME ? baseline != 0 : baseline >= h.tick)) refuse(Code::value, "SNAPSHOT: baseline");
    for (const Part& part : block_table(at, h, schema)) {
        const auto& fields = schema.entities()[part.index].fields;
        const std::uint64_t cells = std::uint64_t{part.rows} * fields.size(), bytes = (cells + 7) / 8;
        at.skip<std::uint32_t>(part.rows);
        const std::uint8_t* bits = at.skip<std::uint8_t>(bytes);
        std::uint64_t f32 = 0, f16 = 0, q16 = 0, q8 = 0;
        for (std::uint64_t cell = 0; cell < 8 * bytes; ++cell) {
            if (!(bits[cell / 8] >> (cell % 8) & 1)) continue;
            if (cell >= cells) refuse(Code::value, "SNAPSHOT: expected 0 behind the cells");
            const std::string& coding = fields[static_cast<std::size_t>(cell % fields.size())].coding;
            ++(coding == "f16" ? f16 : coding == "q16" ? q16 : coding == "q8" ? q8 : f32);
        }
        at.skip<float>(f32);
        at.skip<std::uint16_t>(f16);
        at.skip<std::uint16_t>(q16);
        at.skip<std::uint8_t>(q8);
    }
    at.skip<std::uint32_t>(h.extra);
    at.skip<std::uint32_t>(h.extra);
    at.skip<std::uint16_t>(h.extra);
    at.skip<std::uint8_t>(h.extra);
    at.expect_end();
}

template <class T>
Value list(const std::vector<T>& items) { return List(items.begin(), items.end()); }

Value body_again(const Welcome& w) {
    Map limits, model;
    for (const auto& [key, limit] : LIMIT_NAMES) limits.push_back({key, w.limits.*limit});
    for (const auto& [key, fact] : w.model) model.push_back({key, fact});
    Map again{{"major", w.major}, {"schema_sha256", w.schema_sha256}, {"limits", limits}, {"heartbeat_ms", w.heartbeat_ms},
        {"lead_ticks", w.lead_ticks}, {"fresh_steps", w.fresh_steps}, {"velocity_tolerance", w.velocity_tolerance}, {"server", w.server},
        {"capabilities", list(w.capabilities)}, {"barks", list(w.barks)}, {"model", model}, {"warnings", list(w.warnings)},
        {"control", w.control}, {"telemetry", w.telemetry}};
    if (!w.resume.empty()) again.push_back({"resume", w.resume});
    return again;
}

/// Reads a body and returns what this client would write of it.
Value body_again(Span<std::uint8_t> frame, const Header& h) {
    if (h.kind == Kind::welcome) return body_again(decode_welcome(frame, h));
    if (h.kind == Kind::error) {
        const ErrorReport e = decode_error(frame, h);
        return Map{{"code", static_cast<int>(e.code)}, {"fatal", e.fatal}, {"text", e.text}, {"remedy", e.remedy}};
    }
    const Limits limits;
    const Map body = decode_body(frame, h);
    const Reader r(body, name(h.kind), limits);
    switch (h.kind) {
        case Kind::hello: {
            Map again = {{"majors", list(r.integers("majors", 16, 0, 255))}, {"client", r.name("client")}, {"game", r.name("game")},
                {"schema", r.blob("schema", limits.schema_bytes)}, {"capabilities", list(r.texts("capabilities", 64, limits.name_bytes))}};
            if (find(body, "resume")) again.push_back({"resume", r.name("resume")});
            check_schema_id(h, schema_of(r.blob("schema", limits.schema_bytes)).id);
            return again;
        }
        case Kind::schema: {
            const Bytes& canonical = r.blob("schema", limits.schema_bytes);
            check_schema_id(h, schema_of(canonical).id);
            return Map{{"schema", canonical}};
        }
        case Kind::control: return Map{{"verb", r.name("verb")}, {"arguments", r.map("arguments")}};
        case Kind::ack:
            return Map{{"revision", r.integer("revision", 0, UINT32_MAX)}, {"code", r.integer("code", 0, 15)}, {"text", r.text("text", 1024)}, {"result", r.map("result")}};
        case Kind::telemetry: return Map{{"topic", r.name("topic")}, {"body", r.map("body")}};
        default: return Map{};  // BYE
    }
}

/// Returns a frame as this client writes what it read; nothing of what it never writes.
std::optional<Bytes> again(const Bytes& frame, const Schema& schema) {
    const Header h = read_header(frame);
    if (h.kind == Kind::snapshot && h.flags & DELTA) return delta(frame, h, schema), std::nullopt;
    if (h.kind == Kind::snapshot) return snapshot(frame, h, schema);
    if (h.kind != Kind::action) return encode_body(h, body_again(frame, h));
    Action action;
    decode_action(action, frame, h, schema);
    return std::nullopt;
}

// ---- cases

std::string verdict(const std::string& name, const Schema& schema) {
    try {
        const auto frame = again(file(name + ".bin"), schema);
        return "ok " + (frame ? hex(*frame) : "-");
    } catch (const ProtocolError& error) {
        return text("error ", static_cast<int>(error.code));
    }
}

void play(const std::string& name, const Schema& schema, std::ostream& out) {
    Ladder ladder(schema);
    for (const std::string& line : lines(name + ".txt")) {
        std::istringstream words(line);
        std::string word;
        words >> word;
        if (word == "start") {
            std::uint32_t session, fresh_steps;
            double tolerance;
            words >> session >> fresh_steps >> tolerance;
            ladder.start(session, fresh_steps, tolerance);
        } else if (word == "accept") {
            words >> word;
            const Bytes frame = unhex(word);
            Action action;
            decode_action(action, frame, read_header(frame), schema);
            out << "ladder " << name << " accepted " << ladder.accept(action) << "\n";
        } else if (word == "step") {
            std::int64_t tick;
            std::vector<std::uint32_t> ids;
            std::vector<Pose> poses;
            words >> tick;
            std::uint32_t id;
            for (std::string x, y, vx, vy; words >> id >> x >> y >> vx >> vy;) {  // std::stod reads nan
                ids.push_back(id);
                poses.push_back({std::stod(x), std::stod(y), std::stod(vx), std::stod(vy)});
            }
            ladder.step(tick, ids, poses);
            out << "ladder " << name << " step";
            const std::size_t k = schema.channels().size();
            for (std::size_t i = 0; i < ids.size(); ++i) {
                const Executing& e = ladder.executing();
                out << " " << static_cast<int>(e.rung[i]) << " " << e.chunk[i] << " " << e.step[i];
                for (std::size_t c = 0; c < k; ++c) out << " " << ladder.commands()[k * i + c];
            }
            out << "\n";
        }
    }
    const Counters& c = ladder.counters();
    out << "ladder " << name << " counters " << c.planned << " " << c.tail << " " << c.callback << " " << c.brake << " " << c.stale_dropped << " " << c.off_pose << "\n";
}

void convert(const std::string& name, const Preset& preset, std::ostream& out) {
    for (const std::string& line : lines(name + ".txt")) {
        std::istringstream words(line);
        double a, b, angle;
        words >> a >> b >> angle;
        const Ground to = preset.to_wire({a, b}), from = preset.from_wire({a, b});
        out << "preset " << name << " converted " << to.a << " " << to.b << " " << preset.angle_to_wire(angle) << " " << from.a << " " << from.b
            << " " << preset.angle_from_wire(angle) << "\n";
    }
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 3) return std::cerr << "usage: conformance FOLDER VERDICTS\n", 2;
    folder = arguments[1];
    std::ofstream out(arguments[2]);
    out.precision(17);
    const Schema schema = schema_of(file("schema.bin"));
    for (const std::string& line : lines("cases.txt")) {
        const std::string kind = line.substr(0, line.find(' ')), name = line.substr(line.find(' ') + 1);
        if (kind == "frame") out << line << " " << verdict(name, schema) << "\n";
        if (kind == "ladder") play(name, schema, out);
        if (kind == "preset" && name == "wire") convert(name, WIRE, out);
        if (kind == "preset" && name == "unreal") convert(name, UNREAL, out);
    }
    return out.flush() ? 0 : 1;
}
