// ZeroMQ by cppzmq: a Transport for Client, which learns from zmq_socket_monitor what became of the connection.
#pragma once

#include <zmq.hpp>

#include "client.hpp"

namespace npcw {

class ZeroMq : public Transport {
public:
    /// `endpoint` of the brain's data channel, such as tcp://127.0.0.1:5757. Throws zmq::error_t for one that is none.
    explicit ZeroMq(std::string endpoint) : endpoint_(std::move(endpoint)) { open(); }

    const std::string& endpoint() const override { return endpoint_; }

    std::optional<Link> event() override {
        const std::int64_t now = monotonic_us();
        while (const int said = monitored()) {
            switch (said) {
                case ZMQ_EVENT_CONNECTED:
                    greeting_us_ = now;
                    break;
                case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
                    greeting_us_.reset();
                    down_us_.reset();
                    return Link::up;
                case ZMQ_EVENT_CONNECT_RETRIED:
                    down_us_ = now;  // libzmq is at it
                    break;
                case ZMQ_EVENT_CLOSED:
                    if (greeting_us_) break;
                    down_us_ = now;
                    return Link::refused;
                case ZMQ_EVENT_DISCONNECTED: {
                    const Link what = greeting_us_ ? Link::stranger : Link::down;
                    greeting_us_.reset();
                    down_us_ = now;
                    return what;
                }
            }
        }
        if (greeting_us_ && now - *greeting_us_ > DUMB_US) {
            greeting_us_ = now;
            return Link::stranger;
        }
        if (down_us_ && now - *down_us_ > REOPEN_US) reopen(now);
        return {};
    }

    bool send(Span<std::uint8_t> frame) override {
        try {
            return dealer_ && dealer_.send(zmq::const_buffer(frame.data, frame.size), zmq::send_flags::dontwait).has_value();
        } catch (const zmq::error_t&) {
            return false;
        }
    }

    std::optional<Span<std::uint8_t>> receive() override {
        try {
            if (!dealer_ || !dealer_.recv(message_, zmq::recv_flags::dontwait)) return {};
            Span<std::uint8_t> frame(message_.data<std::uint8_t>(), message_.size());
            while (message_.more()) {
                if (!dealer_.recv(message_, zmq::recv_flags::dontwait)) break;
                frame = {};  // several frames are never ours
            }
            return frame;
        } catch (const zmq::error_t&) {
            return {};
        }
    }

    void close() override {
        if (dealer_) dealer_.set(zmq::sockopt::linger, 100);  // ms, for the goodbye
        shut();
    }

private:
    static constexpr std::int64_t DUMB_US = 400000;     // a TCP peer that has not finished ZeroMQ's handshake by then does not know it
    static constexpr std::int64_t REOPEN_US = 1000000;  // libzmq gives some peers up for ever; a new socket does not
    static constexpr int EVENTS = ZMQ_EVENT_CONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_CLOSED | ZMQ_EVENT_DISCONNECTED;

    void open() {
        namespace opt = zmq::sockopt;
        dealer_ = zmq::socket_t(context_, zmq::socket_type::dealer);
        dealer_.set(opt::linger, 0);
        dealer_.set(opt::immediate, true);
        dealer_.set(opt::sndhwm, 2);
        dealer_.set(opt::sndtimeo, 0);
        dealer_.set(opt::reconnect_ivl, 20);
        dealer_.set(opt::maxmsgsize, std::int64_t{1} << 20);
        dealer_.set(opt::heartbeat_ivl, 500);
        dealer_.set(opt::heartbeat_timeout, 1500);
        dealer_.set(opt::heartbeat_ttl, 2000);
        dealer_.set(opt::handshake_ivl, 2000);
        const std::string inside = "inproc://npcw-monitor-" + std::to_string(++opened_);
        if (zmq_socket_monitor(dealer_.handle(), inside.c_str(), EVENTS) != 0) throw zmq::error_t();
        monitor_ = zmq::socket_t(context_, zmq::socket_type::pair);
        monitor_.set(opt::linger, 0);
        monitor_.connect(inside);
        down_us_ = monotonic_us();
        dealer_.connect(endpoint_);
    }

    void reopen(std::int64_t now) {
        shut();
        try {
            open();
        } catch (const zmq::error_t&) {  // no sockets left: another try in a while
            shut();
            down_us_ = now;
        }
    }

    void shut() {
        if (dealer_) zmq_socket_monitor(dealer_.handle(), nullptr, 0);
        monitor_.close();
        dealer_.close();
        greeting_us_.reset();
        down_us_.reset();
    }

    /// The next event of the monitor, 0 if there is none: a frame that begins with its number, and one with the address.
    int monitored() {
        try {
            if (!monitor_.recv(message_, zmq::recv_flags::dontwait)) return 0;
            const int said = message_.size() >= 2 ? load<std::uint16_t>(message_.data<std::uint8_t>()) : 0;
            while (message_.more() && monitor_.recv(message_, zmq::recv_flags::dontwait)) {}
            return said;
        } catch (const zmq::error_t&) {
            return 0;
        }
    }

    std::string endpoint_;
    zmq::context_t context_{1};
    zmq::socket_t dealer_, monitor_;
    zmq::message_t message_;
    std::optional<std::int64_t> greeting_us_;  // since when TCP is connected and ZeroMQ's handshake is not finished
    std::optional<std::int64_t> down_us_;      // since when libzmq has not tried to connect
    int opened_ = 0;
};

}  // namespace npcw
