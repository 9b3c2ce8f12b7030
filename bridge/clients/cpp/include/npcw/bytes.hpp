// Bytes that came over a wire, and bytes that are to go: bounds are checked here, in 64 bits, and nowhere else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "The wire is little-endian and its arrays are copied as they are: expected a little-endian machine."
#endif

namespace npcw {

using Bytes = std::vector<std::uint8_t>;

/// Numbers that somebody else owns; valid as long as they are.
template <class T>
struct Span {
    const T* data = nullptr;
    std::size_t size = 0;

    Span() = default;
    Span(const T* first, std::size_t count) : data(first), size(count) {}
    Span(const std::vector<T>& all) : data(all.data()), size(all.size()) {}

    const T* begin() const { return data; }
    const T* end() const { return data + size; }
    const T& operator[](std::size_t i) const { return data[i]; }
};

enum class Code : std::uint8_t {
    magic = 1, version, schema, length, limit, value, session, auth,
    busy, deadline, stale, keyframe, control, model, internal,
};

/// A frame that breaks the protocol; `code` is what a receiver answers. It never leaves Client.
struct ProtocolError : std::runtime_error {
    ProtocolError(Code why, const std::string& text) : std::runtime_error(text), code(why) {}
    Code code;
};

/// Joins what can be printed into one text.
template <class... Parts>
std::string text(const Parts&... parts) {
    std::ostringstream out;
    (out << ... << parts);
    return out.str();
}

template <class... Parts>
[[noreturn]] void refuse(Code code, const Parts&... parts) {
    throw ProtocolError(code, text(parts...));
}

/// Rounds a size up to the next border of 16 bytes.
constexpr std::uint64_t padded(std::uint64_t size) { return (size + 15) / 16 * 16; }

template <class T>
T load(const std::uint8_t* at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

template <class T>
void store(std::uint8_t* at, T value) {
    std::memcpy(at, &value, sizeof value);
}

/// Walks over the blocks of a frame, each of which begins at a border of 16 bytes.
class Cursor {
public:
    Cursor(Span<std::uint8_t> frame, std::uint64_t start, const char* where) : frame_(frame), at_(start), where_(where) {
        if (at_ > frame_.size) cut();
    }

    /// Steps over `count` numbers and returns where they begin; refuses a frame that does not hold them (LENGTH).
    template <class T>
    const std::uint8_t* skip(std::uint64_t count) {
        const std::uint64_t left = frame_.size - at_;
        if (count > left / sizeof(T) || padded(count * sizeof(T)) > left) cut();  // in this order nothing wraps
        const std::uint8_t* here = frame_.data + at_;
        at_ += padded(count * sizeof(T));
        return here;
    }

    /// Copies `count` numbers; memory is taken only once they are known to be there.
    template <class T>
    void take(std::vector<T>& into, std::uint64_t count) {
        const std::uint8_t* here = skip<T>(count);
        into.resize(static_cast<std::size_t>(count));
        if (count != 0) std::memcpy(into.data(), here, into.size() * sizeof(T));
    }

    void expect_end() const {
        if (at_ != frame_.size) refuse(Code::length, where_, ": expected ", at_, " bytes, got ", frame_.size);
    }

private:
    [[noreturn]] void cut() const { refuse(Code::length, where_, ": expected more than ", frame_.size, " bytes"); }

    Span<std::uint8_t> frame_;
    std::uint64_t at_;  // at most frame_.size
    const char* where_;
};

}  // namespace npcw
