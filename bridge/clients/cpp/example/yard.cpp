// A yard with four guards and somebody who walks in a circle. What one learns: declare a schema once, then poll, step, push.
//
//   npc-sdk serve                           in one terminal
//   ./yard tcp://127.0.0.1:5757 30          in another: prints what the guards do, tick by tick, for 30 seconds
//
// The entities are those of the arena, whose model the brain has. Without a brain the guards stand. Turn a weight while it runs: examples/01_designer_script.py shows how.

#include <cstdlib>
#include <thread>

#include "npcw/zeromq.hpp"

namespace {

constexpr double HZ = 30;
constexpr double PI = 3.14159274101257324;  // of float32
constexpr std::size_t GUARDS = 4;
constexpr double HOMES[GUARDS][2] = {{-9, 1}, {-9, -1}, {9, 1}, {9, -1}};

npcw::Field number(const char* name, double high, double value = 0) { return {name, "1", 0, high, name, "reject", value}; }

npcw::Schema yard() {
    const std::vector<npcw::Field> pose = {
        {"x", "m", -16, 16, "x"}, {"y", "m", -16, 16, "y"}, {"vx", "m/s", -12, 12, "vx"}, {"vy", "m/s", -12, 12, "vy"}};
    const auto with = [](std::vector<npcw::Field> fields, const std::vector<npcw::Field>& more) {
        fields.insert(fields.end(), more.begin(), more.end());
        return fields;
    };
    const auto body = with(pose, {{"heading", "rad", -PI, PI, "heading"}, {"health", "hp", 0, 200, "health", "reject", 100}});
    const npcw::Field alive = number("alive", 1, 1);

    npcw::Declaration d;
    d.game = "yard";
    d.tick_hz = HZ;
    d.bounds = {-12, -12, 12, 12};
    d.entities = {
        {"player", "player", 1, with(body, {number("shots", 1e6), alive})},
        {"npc", "npc", GUARDS,
            with(body, {number("ammo", 100), {"cooldown", "s", 0, 10, "cooldown"}, number("grenades", 10), number("shots", 1e6), number("squad", 63),
                number("leader", 1), {"home_x", "m", -16, 16, "home_x"}, {"home_y", "m", -16, 16, "home_y"}, alive})},
        {"grenade", "projectile", 1, with(pose, {{"fuse", "s", 0, 10, "fuse"}})},
        {"mode", "mode", 1, {number("hold_fire", 1)}},
    };
    d.channels = {
        {"move_x", "m/s", -6, 6},
        {"move_y", "m/s", -6, 6},
        {"aim", "rad", -PI, PI, "continuous", 0, 0, true},
        {"fire", "1", 0, 1, "discrete", 0, 2},
        {"throw", "1", 0, 1, "discrete", 0, 2},
        {"reach", "m", 0, 10},
    };
    d.kinematics = {4, 16, 16, 0.35, 2 * 3.14159265358979324};
    d.polygons = {{"shed", "wall", {{-1, 7}, {1, 7}, {1, 9}, {-1, 9}}}};
    return npcw::Schema(d);
}

struct Body {
    float x, y, vx = 0, vy = 0, heading = 0;
};

/// The game: bodies, and the arrays that tell of them, made once.
class Yard {
public:
    explicit Yard(const char* endpoint) : client_(std::make_unique<npcw::ZeroMq>(endpoint), yard(), options()) {}

    void frame(int tick) {
        client_.poll();
        npcw::Pose poses[GUARDS];
        for (std::size_t i = 0; i < GUARDS; ++i) poses[i] = {guards_[i].x, guards_[i].y, guards_[i].vx, guards_[i].vy};
        client_.step(tick, ids_, {poses, GUARDS});
        move(tick);
        tell(tick + 1);
        print(tick);
    }

    void end() {
        const npcw::Counters& c = client_.counters();
        std::printf("counters planned %llu tail %llu callback %llu brake %llu\n", static_cast<unsigned long long>(c.planned),
            static_cast<unsigned long long>(c.tail), static_cast<unsigned long long>(c.callback), static_cast<unsigned long long>(c.brake));
        client_.close();
    }

private:
    static npcw::Options options() {
        npcw::Options options;
        options.fallback = [](std::int64_t, std::uint32_t, const npcw::Pose&, float* command) {  // stand
            std::fill_n(command, 6, 0.0f);
            return true;
        };
        return options;
    }

    void move(int tick) {
        for (std::size_t i = 0; i < GUARDS; ++i) {
            Body& g = guards_[i];
            const float* command = client_.commands().data() + 6 * i;
            g.vx = command[0];
            g.vy = command[1];
            g.x = static_cast<float>(g.x + g.vx / HZ);
            g.y = static_cast<float>(g.y + g.vy / HZ);
            if (client_.executing().rung[i] <= npcw::Rung::tail) g.heading = command[2];
        }
        const double angle = tick / HZ * 0.5;  // 1.5 m/s on a circle of 3 m
        const double vx = -1.5 * std::sin(angle), vy = 1.5 * std::cos(angle);
        player_ = {static_cast<float>(3 * std::cos(angle)), static_cast<float>(3 * std::sin(angle)), static_cast<float>(vx), static_cast<float>(vy),
            static_cast<float>(std::atan2(vy, vx))};
    }

    void tell(int tick) {
        player_row_ = {player_.x, player_.y, player_.vx, player_.vy, player_.heading, 100, 0, 1};
        npc_rows_.clear();
        for (std::size_t i = 0; i < GUARDS; ++i) {
            const Body& g = guards_[i];
            const float leader = i == 0, home_x = static_cast<float>(HOMES[i][0]), home_y = static_cast<float>(HOMES[i][1]);
            npc_rows_.insert(npc_rows_.end(), {g.x, g.y, g.vx, g.vy, g.heading, 100, 0, 0, 0, 0, 0, leader, home_x, home_y, 1});
        }
        client_.push(tick, {{"player", player_id_, player_row_}, {"mode", mode_id_, mode_row_}, {"npc", ids_, npc_rows_}});
    }

    void print(int tick) {
        const auto& fault = client_.fault();
        if (fault && fault->text != told_) std::fprintf(stderr, "%s: %s\n", fault->text.c_str(), fault->remedy.c_str());
        told_ = fault ? fault->text : "";
        std::printf("tick %d %s", tick, fault ? npcw::name(fault->kind) : "fine");
        for (std::size_t i = 0; i < GUARDS; ++i) std::printf(" %d %.4f %.4f", static_cast<int>(client_.executing().rung[i]), guards_[i].x, guards_[i].y);
        std::printf("\n");
        std::fflush(stdout);
    }

    npcw::Client client_;
    std::vector<std::uint32_t> ids_ = {101, 102, 103, 104}, player_id_ = {1}, mode_id_ = {900};
    Body guards_[GUARDS] = {{-9, 1}, {-9, -1}, {9, 1}, {9, -1}};  // at home
    Body player_ = {3, 0};
    std::vector<float> player_row_, npc_rows_, mode_row_ = {1};
    std::string told_;
};

}  // namespace

int main(int count, char** arguments) {
    const char* endpoint = count > 1 ? arguments[1] : "tcp://127.0.0.1:5757";
    const double seconds = count > 2 ? std::atof(arguments[2]) : 30;
    Yard game(endpoint);
    const auto start = std::chrono::steady_clock::now();
    for (int tick = 0; tick < seconds * HZ; ++tick) {
        std::this_thread::sleep_until(start + std::chrono::microseconds(static_cast<std::int64_t>(tick * 1e6 / HZ)));
        game.frame(tick);
    }
    game.end();
}
