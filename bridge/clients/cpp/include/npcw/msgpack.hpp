// msgpack within strict bounds: plain data, canonical when written (keys sorted, shortest integers, float64).
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "bytes.hpp"
#include "limits.hpp"

namespace npcw {

struct Value;
struct Entry;
using List = std::vector<Value>;
using Map = std::vector<Entry>;  // in any order where it is to be written; by key, each once, where it was read

/// One value of msgpack. Whole numbers from 0 on are std::uint64_t, those below are std::int64_t.
struct Value {
    std::variant<std::nullptr_t, bool, std::uint64_t, std::int64_t, double, std::string, Bytes, List, Map> is;

    Value() = default;
    template <class T, class = std::enable_if_t<!std::is_same_v<T, Value>>>
    Value(T given) {
        if constexpr (std::is_same_v<T, const char*>) is = std::string(given);
        else if constexpr (!std::is_integral_v<T> || std::is_same_v<T, bool>) is = std::move(given);
        else if constexpr (std::is_unsigned_v<T>) is = static_cast<std::uint64_t>(given);
        else if (given < 0) is = static_cast<std::int64_t>(given);
        else is = static_cast<std::uint64_t>(given);
    }

    template <class T>
    const T* as() const { return std::get_if<T>(&is); }
};

struct Entry {
    std::string key;
    Value value;
};

/// Returns the value of a key in a map that was read, nullptr if it has none.
inline const Value* find(const Map& map, const std::string& key) {
    const auto at = std::lower_bound(map.begin(), map.end(), key, [](const Entry& e, const std::string& k) { return e.key < k; });
    return at != map.end() && at->key == key ? &at->value : nullptr;
}

/// Says whether bytes are UTF-8 of Unicode scalar values in their shortest form.
inline bool is_utf8(Span<std::uint8_t> s) {
    for (std::size_t i = 0; i < s.size;) {
        const std::uint8_t head = s[i];
        const std::size_t more = head < 0x80 ? 0 : head < 0xc2 ? 4 : head < 0xe0 ? 1 : head < 0xf0 ? 2 : head < 0xf5 ? 3 : 4;
        if (more == 4 || s.size - i <= more) return false;
        for (std::size_t j = 1; j <= more; ++j) if ((s[i + j] & 0xc0) != 0x80) return false;
        if (head == 0xe0 && s[i + 1] < 0xa0) return false;  // could be shorter
        if (head == 0xed && s[i + 1] > 0x9f) return false;  // half of a surrogate pair
        if (head == 0xf0 && s[i + 1] < 0x90) return false;
        if (head == 0xf4 && s[i + 1] > 0x8f) return false;  // beyond U+10FFFF
        i += more + 1;
    }
    return true;
}

/// Writes canonical msgpack behind what `out` holds.
class Packer {
public:
    explicit Packer(Bytes& out) : out_(out) {}

    void put(const Value& value) {
        std::visit([this](const auto& v) { write(v); }, value.is);
    }

private:
    void write(std::nullptr_t) { out_.push_back(0xc0); }
    void write(bool v) { out_.push_back(v ? 0xc3 : 0xc2); }
    void write(std::uint64_t v) {
        if (v < 0x80) out_.push_back(static_cast<std::uint8_t>(v));
        else if (v <= 0xff) number(0xcc, v, 1);
        else if (v <= 0xffff) number(0xcd, v, 2);
        else if (v <= 0xffffffff) number(0xce, v, 4);
        else number(0xcf, v, 8);
    }
    void write(std::int64_t v) {  // below 0
        const auto bits = static_cast<std::uint64_t>(v);
        if (v >= -32) out_.push_back(static_cast<std::uint8_t>(bits));
        else if (v >= -128) number(0xd0, bits, 1);
        else if (v >= -32768) number(0xd1, bits, 2);
        else if (v >= -2147483648LL) number(0xd2, bits, 4);
        else number(0xd3, bits, 8);
    }
    void write(double v) {
        std::uint64_t bits;
        std::memcpy(&bits, &v, sizeof bits);
        number(0xcb, bits, 8);
    }
    void write(const std::string& v) {
        sized(v.size(), 0xa0, 31, 0xd9);
        out_.insert(out_.end(), v.begin(), v.end());
    }
    void write(const Bytes& v) {
        sized(v.size(), 0, -1, 0xc4);
        out_.insert(out_.end(), v.begin(), v.end());
    }
    void write(const List& v) {
        sized(v.size(), 0x90, 15, 0xdc);
        for (const Value& item : v) put(item);
    }
    void write(const Map& v) {
        std::vector<const Entry*> order;
        for (const Entry& entry : v) order.push_back(&entry);
        std::sort(order.begin(), order.end(), [](const Entry* a, const Entry* b) { return a->key < b->key; });
        sized(v.size(), 0x80, 15, 0xde);
        for (const Entry* entry : order) {
            write(entry->key);
            put(entry->value);
        }
    }

    void number(std::uint8_t head, std::uint64_t bits, int bytes) {
        out_.push_back(head);
        for (int i = bytes - 1; i >= 0; --i) out_.push_back(static_cast<std::uint8_t>(bits >> (8 * i)));
    }

    /// Writes a count: inside the byte `shortest` up to `most`, else behind a head. Texts (0xd9) and bytes (0xc4) have
    /// heads for 1, 2 and 4 bytes, lists (0xdc) and maps (0xde) for 2 and 4.
    void sized(std::size_t count, int shortest, int most, int heads) {
        const bool one = heads < 0xdc;
        if (static_cast<long long>(count) <= most) out_.push_back(static_cast<std::uint8_t>(shortest + static_cast<int>(count)));
        else if (one && count <= 0xff) number(static_cast<std::uint8_t>(heads), count, 1);
        else if (count <= 0xffff) number(static_cast<std::uint8_t>(heads + one), count, 2);
        else number(static_cast<std::uint8_t>(heads + one + 1), count, 4);
    }

    Bytes& out_;
};

inline Bytes pack(const Value& value) {
    Bytes out;
    Packer(out).put(value);
    return out;
}

/// Reads one msgpack map; ProtocolError for anything else.
class Unpacker {
public:
    Unpacker(Span<std::uint8_t> bytes, const Limits& limits) : bytes_(bytes), limits_(limits) {}

    Map body() {
        if (bytes_.size > limits_.body_bytes) refuse(Code::limit, "body: expected at most ", limits_.body_bytes, " bytes, got ", bytes_.size);
        Value all = take(0);
        if (at_ != bytes_.size) unreadable("bytes behind it");
        if (!all.as<Map>()) refuse(Code::value, "body: expected a map");
        if (!finite_) refuse(Code::value, "body: expected finite numbers");
        return std::get<Map>(std::move(all.is));
    }

private:
    [[noreturn]] static void unreadable(const char* what) { refuse(Code::length, "body: expected one msgpack map, got ", what); }

    Span<std::uint8_t> next(std::uint64_t size) {
        if (size > bytes_.size - at_) unreadable("its first bytes");
        const Span<std::uint8_t> here(bytes_.data + at_, static_cast<std::size_t>(size));
        at_ += here.size;
        return here;
    }

    std::uint64_t number(int bytes) {  // big-endian
        std::uint64_t value = 0;
        for (const std::uint8_t byte : next(static_cast<std::uint64_t>(bytes))) value = value << 8 | byte;
        return value;
    }

    template <class Float>
    Value real() {
        std::conditional_t<sizeof(Float) == 4, std::uint32_t, std::uint64_t> bits = 0;
        bits = static_cast<decltype(bits)>(number(sizeof(Float)));
        Float value;
        std::memcpy(&value, &bits, sizeof value);
        finite_ = finite_ && std::isfinite(value);
        return static_cast<double>(value);
    }

    std::string string(std::uint64_t size) {
        if (size > limits_.text_bytes) unreadable("a text that is too long");
        const auto here = next(size);
        if (!is_utf8(here)) unreadable("a text that is not UTF-8");
        return {here.begin(), here.end()};
    }

    Value blob(std::uint64_t size) {
        const auto here = next(size);
        return Bytes(here.begin(), here.end());
    }

    void inside(std::uint64_t size, std::uint32_t depth) const {
        if (size > limits_.items) unreadable("too many items");
        if (depth >= limits_.depth) refuse(Code::limit, "body: nested deeper than ", limits_.depth);
    }

    Value list(std::uint64_t size, std::uint32_t depth) {
        inside(size, depth);
        List out;
        for (std::uint64_t i = 0; i < size; ++i) out.push_back(take(depth + 1));
        return out;
    }

    Value map(std::uint64_t size, std::uint32_t depth) {
        inside(size, depth);
        Map out;
        for (std::uint64_t i = 0; i < size; ++i) {
            Value key = take(depth + 1);
            if (!key.as<std::string>()) unreadable("a key that is no text");
            out.push_back({std::get<std::string>(std::move(key.is)), take(depth + 1)});
        }
        std::sort(out.begin(), out.end(), [](const Entry& a, const Entry& b) { return a.key < b.key; });
        const auto twice = std::adjacent_find(out.begin(), out.end(), [](const Entry& a, const Entry& b) { return a.key == b.key; });
        if (twice != out.end()) unreadable("a key twice");
        return out;
    }

    Value take(std::uint32_t depth) {
        const auto head = static_cast<std::uint8_t>(number(1));
        if (head < 0x80) return head;
        if (head < 0x90) return map(head & 15u, depth);
        if (head < 0xa0) return list(head & 15u, depth);
        if (head < 0xc0) return string(head & 31u);
        if (head >= 0xe0) return static_cast<std::int8_t>(head);
        switch (head) {
            case 0xc0: return {};
            case 0xc2: return false;
            case 0xc3: return true;
            case 0xc4: return blob(number(1));
            case 0xc5: return blob(number(2));
            case 0xc6: return blob(number(4));
            case 0xca: return real<float>();
            case 0xcb: return real<double>();
            case 0xcc: return number(1);
            case 0xcd: return number(2);
            case 0xce: return number(4);
            case 0xcf: return number(8);
            case 0xd0: return static_cast<std::int8_t>(number(1));
            case 0xd1: return static_cast<std::int16_t>(number(2));
            case 0xd2: return static_cast<std::int32_t>(number(4));
            case 0xd3: return static_cast<std::int64_t>(number(8));
            case 0xd9: return string(number(1));
            case 0xda: return string(number(2));
            case 0xdb: return string(number(4));
            case 0xdc: return list(number(2), depth);
            case 0xdd: return list(number(4), depth);
            case 0xde: return map(number(2), depth);
            case 0xdf: return map(number(4), depth);
            default: unreadable("an extension type");
        }
    }

    Span<std::uint8_t> bytes_;
    const Limits& limits_;
    std::size_t at_ = 0;
    bool finite_ = true;
};

inline Map unpack(Span<std::uint8_t> bytes, const Limits& limits = {}) { return Unpacker(bytes, limits).body(); }

}  // namespace npcw
