// What the scenarios have in common: brokers to talk to, what hooks are asked to remember, and how all of them are run.

#ifndef RMQTT_TESTS_SCENARIO_HPP
#define RMQTT_TESTS_SCENARIO_HPP

#include <rmqtt.hpp>

#include "check.hpp"
#include "mqtt.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

constexpr const char *OPEN = R"({"listeners": [{"name": "main", "address": "127.0.0.1:0"}],
                                 "auth": {"allow_anonymous": true}, "callbacks": {"timeout_ms": 60000}})";

inline std::uint16_t port(const rmqtt::Broker &broker) {
    return broker.listeners().at(0).port;
}

inline rmqtt::Broker started(rmqtt::Hooks hooks = {}, const char *config = OPEN) {
    rmqtt::Broker broker(config, std::move(hooks));
    broker.start();
    return broker;
}

inline std::string message_of(std::exception_ptr exception) {
    try {
        std::rethrow_exception(exception);
    } catch (const std::exception &error) {
        return error.what();
    }
}

inline Mqtt::Options v5(std::string_view client_id = "pump") {
    Mqtt::Options options;
    options.client_id = client_id;
    options.protocol = 5;
    return options;
}

inline rmqtt::Answer allow_with(const std::function<void(rmqtt::Changes &)> &change) {
    rmqtt::Changes changes;
    change(changes);
    return rmqtt::Answer::allow(std::move(changes));
}

// Tells when what owns it is destroyed.
class Tracer {
public:
    std::shared_ptr<int> token() {
        auto token = std::make_shared<int>(0);
        watch_ = token;
        return token;
    }
    bool gone() const { return watch_.expired(); }

private:
    std::weak_ptr<int> watch_;
};

// What hooks have been told, in order. It must outlive the broker.
class Told {
public:
    void add(std::string what) {
        const std::lock_guard<std::mutex> guard(lock_);
        told_.push_back(std::move(what));
        more_.notify_one();
    }

    // Waits for the next thing.
    std::string next() {
        std::unique_lock<std::mutex> guard(lock_);
        if (!more_.wait_for(guard, PATIENCE, [&] { return !told_.empty(); })) {
            throw Failed("nothing is told");
        }
        const std::string what = std::move(told_.front());
        told_.pop_front();
        return what;
    }

    bool empty() {
        const std::lock_guard<std::mutex> guard(lock_);
        return told_.empty();
    }

private:
    std::mutex lock_;
    std::condition_variable more_;
    std::deque<std::string> told_;
};

struct Scenario {
    const char *name;
    void (*run)();
};

#define SCENARIO(name) \
    { #name, name }

// Without arguments every scenario runs; with some, those named.
template <std::size_t Count> int run(const Scenario (&scenarios)[Count], int argc, char **argv) {
    int failures = 0;
    int runs = 0;
    for (const Scenario &scenario : scenarios) {
        const auto named = [&](const char *argument) { return std::strcmp(argument, scenario.name) == 0; };
        if (argc > 1 && std::none_of(argv + 1, argv + argc, named)) {
            continue;
        }
        ++runs;
        try {
            scenario.run();
            std::cout << "ok   " << scenario.name << std::endl;
        } catch (const std::exception &error) {
            ++failures;
            std::cout << "FAIL " << scenario.name << ": " << error.what() << std::endl;
        }
    }
    std::cout << runs << " scenarios, " << failures << " failed" << std::endl;
    return failures == 0 && runs > 0 ? 0 : 1;
}

#endif
