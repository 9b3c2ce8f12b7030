// The last hop (PROTOCOL.md, Ladder): which command an NPC gets in this tick, whatever became of the brain.
// Arithmetic only: no I/O, no clock, no geometry.
#pragma once

#include <functional>

#include "codec.hpp"

namespace npcw {

/// Where an NPC is before this tick moves anybody: m and m/s, on the wire's axes.
struct Pose {
    double x, y, vx, vy;
};

/// The game's own behaviour: writes a command, one number a channel, and returns true; false, or a number that is not finite: brake.
using Fallback = std::function<bool(std::int64_t tick, std::uint32_t id, const Pose& pose, float* command)>;

/// NPC-ticks per rung since the start, and what was not executed.
struct Counters {
    std::uint64_t planned = 0, tail = 0, callback = 0, brake = 0;
    std::uint64_t stale_dropped = 0;  // NPCs of actions that came too late, twice, or for another session
    std::uint64_t off_pose = 0;       // NPC-ticks in which the newest due chunk did not match the NPC's pose
};

class Ladder {
public:
    static constexpr std::size_t HELD = 8;  // newest actions kept

    /// `before` is the ladder that this one replaces: it counts on, and NPCs brake as they were told.
    explicit Ladder(const Schema& schema, Fallback fallback = {}, const Ladder* before = nullptr)
        : channels_(schema.channels()), fallback_(std::move(fallback)), dt_(schema.dt()), brake_(schema.declared.kinematics.brake),
          move_{schema.channel("move_x"), schema.channel("move_y")} {
        for (const Channel& c : channels_) default_.push_back(static_cast<float>(c.default_value));
        if (before) {
            counters_ = before->counters_;
            last_ids_ = before->last_ids_;
            last_row_.build(last_ids_);
            for (std::size_t i = 0; i < last_ids_.size(); ++i) last_.insert(last_.end(), default_.begin(), default_.end());
            former_row_.build(last_ids_);
            for (const std::uint32_t id : last_ids_) former_.push_back(before->brake_of(id));
        }
    }

    /// Begins a session with the numbers of its WELCOME; chunks of the one before are dropped, brakes stay.
    void start(std::uint32_t session, std::uint32_t fresh_steps = 4, double velocity_tolerance = 0.05) {
        std::vector<double> told;
        for (const std::uint32_t id : last_ids_) told.push_back(brake_of(id));
        former_ = std::move(told);
        former_row_.build(last_ids_);
        count_ = 0;
        session_ = session;
        fresh_steps_ = fresh_steps;
        velocity_tolerance_ = velocity_tolerance;
        chunk_ = tick_ = -1;
    }

    /// Takes a checked action in and leaves the memory of one that is no longer held; false if it is stale and was dropped.
    bool accept(Action& action) {
        if (action.header.session != session_ || action.chunk <= chunk_ || action.last() <= tick_) {
            counters_.stale_dropped += action.ids.size();
            return false;
        }
        chunk_ = action.chunk;
        std::rotate(held_, held_ + HELD - 1, held_ + HELD);
        std::swap(held_[0], action);
        count_ = std::min(count_ + 1, HELD);
        return true;
    }

    /// Picks the commands of one tick: commands(), executing().
    /// `alive` per NPC, all by default; the dead get default commands. Throws std::invalid_argument for arrays of other sizes.
    void step(std::int64_t tick, Span<std::uint32_t> ids, Span<Pose> pose, Span<std::uint8_t> alive = {}) {
        if (pose.size != ids.size || (alive.data && alive.size != ids.size)) throw std::invalid_argument(text("step: expected ", ids.size, " poses, got ", pose.size));
        const std::size_t n = ids.size, k = channels_.size();
        commands_.resize(n * k);
        executing_.ids.assign(ids.begin(), ids.end());
        executing_.chunk.assign(n, 0);
        executing_.step.assign(n, 0);
        executing_.rung.assign(n, Rung::none);
        for (std::size_t i = 0; i < n; ++i) {
            float* command = commands_.data() + k * i;
            std::copy(default_.begin(), default_.end(), command);
            if (!alive.data || alive[i]) one(tick, i, pose[i], command);
        }
        tick_ = tick;
        last_ = commands_;
        last_ids_ = executing_.ids;
        last_row_.build(last_ids_);
    }

    /// n k, always finite and within the channels' ranges.
    const std::vector<float>& commands() const { return commands_; }
    /// What each NPC did in the last tick; goes into the next snapshot.
    const Executing& executing() const { return executing_; }
    const Counters& counters() const { return counters_; }
    std::uint32_t session() const { return session_; }
    /// The actions held; 0 is the newest.
    std::size_t held() const { return count_; }
    const Action& held(std::size_t i) const { return held_[i]; }

private:
    /// Fills in one NPC's command, which holds the defaults.
    void one(std::int64_t tick, std::size_t i, const Pose& pose, float* command) {
        const std::uint32_t id = executing_.ids[i];
        const Action* newest = nullptr;  // that is due
        bool valid = false;
        for (std::size_t h = 0; h < count_; ++h) {
            const Action& a = held_[h];
            const std::int64_t age = tick - static_cast<std::int64_t>(a.apply_tick);
            const std::int64_t row = a.row.find(id);
            if (age < 0 || row < 0) continue;
            if (!newest) newest = &a;
            if (tick > a.last()) continue;
            const std::size_t at = static_cast<std::size_t>(row) * a.m + static_cast<std::size_t>(age);
            const bool fits = on_pose(a, static_cast<std::size_t>(row), at, pose);
            if (!valid && !fits) ++counters_.off_pose;
            valid = true;
            if (!fits) continue;
            const bool fresh = &a == newest && age < fresh_steps_;
            executing_.rung[i] = fresh ? Rung::plan : Rung::tail;
            executing_.chunk[i] = a.chunk;
            executing_.step[i] = static_cast<std::uint16_t>(age);
            ++(fresh ? counters_.planned : counters_.tail);
            std::copy_n(a.steps.begin() + static_cast<std::ptrdiff_t>(at * a.k), a.k, command);
            return;
        }
        if (!valid && fallback_ && called_back(tick, id, pose, command)) {
            executing_.rung[i] = Rung::callback;
            ++counters_.callback;
            return;
        }
        executing_.rung[i] = Rung::brake;
        ++counters_.brake;
        brake(id, pose, command);
    }

    bool on_pose(const Action& a, std::size_t row, std::size_t at, const Pose& pose) const {
        const float* e = a.expected.data() + 4 * at;
        const double x = pose.x - e[0], y = pose.y - e[1], vx = pose.vx - e[2], vy = pose.vy - e[3];
        const double tolerance = a.tolerance[row];
        return x * x + y * y <= tolerance * tolerance && vx * vx + vy * vy <= velocity_tolerance_ * velocity_tolerance_;  // false for NaN
    }

    bool called_back(std::int64_t tick, std::uint32_t id, const Pose& pose, float* command) const {
        const bool usable = fallback_(tick, id, pose, command) && std::all_of(command, command + channels_.size(), [](float v) { return std::isfinite(v); });
        for (std::size_t c = 0; c < channels_.size(); ++c) command[c] = usable ? clip(command[c], c) : default_[c];
        return usable;
    }

    /// v max(0, 1 - A dt / |v|) on the move channels, the others held or default.
    void brake(std::uint32_t id, const Pose& pose, float* command) const {
        const std::int64_t row = last_row_.find(id);
        for (std::size_t c = 0; c < channels_.size(); ++c) {
            if (channels_[c].hold && row >= 0) command[c] = last_[static_cast<std::size_t>(row) * channels_.size() + c];
        }
        const double velocity[] = {std::isfinite(pose.vx) ? pose.vx : 0, std::isfinite(pose.vy) ? pose.vy : 0};
        const double speed = std::hypot(velocity[0], velocity[1]);
        const double kept = std::max(0.0, 1 - brake_of(id) * dt_ / std::max(speed, 1e-12));
        for (int axis = 0; axis < 2; ++axis) {
            if (move_[axis] >= 0) command[move_[axis]] = clip(velocity[axis] * kept, static_cast<std::size_t>(move_[axis]));
        }
    }

    float clip(double v, std::size_t channel) const {
        const auto low = static_cast<float>(channels_[channel].low), high = static_cast<float>(channels_[channel].high);
        return static_cast<float>(std::min<double>(std::max<double>(v, low), high));
    }

    /// m/s^2: of the newest held action that names the NPC, else what it was told before this session, else the schema's.
    double brake_of(std::uint32_t id) const {
        for (std::size_t h = 0; h < count_; ++h) {
            const std::int64_t row = held_[h].row.find(id);
            if (row >= 0) return held_[h].brake[static_cast<std::size_t>(row)];
        }
        const std::int64_t row = former_row_.find(id);
        return row >= 0 ? former_[static_cast<std::size_t>(row)] : brake_;
    }

    std::vector<Channel> channels_;
    std::vector<float> default_;
    Fallback fallback_;
    double dt_, brake_;
    int move_[2];
    Counters counters_;
    Action held_[HELD];  // newest first; the first count_ mean something
    std::size_t count_ = 0;
    std::uint32_t session_ = 0;
    std::int64_t fresh_steps_ = 4;
    double velocity_tolerance_ = 0.05;
    std::int64_t chunk_ = -1, tick_ = -1;
    std::vector<float> commands_;
    Executing executing_;
    std::vector<std::uint32_t> last_ids_;  // of the last tick
    std::vector<float> last_;
    Rows last_row_;
    std::vector<double> former_;  // m/s^2, by NPC, when this session began
    Rows former_row_;
};

}  // namespace npcw
