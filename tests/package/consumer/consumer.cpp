// A program of somebody else, in C++.

#include <rmqtt.hpp>

#include <future>
#include <iostream>

int main() try {
    std::promise<bool> asked;
    rmqtt::Hooks hooks;
    hooks.authorize_publish = [&](const rmqtt::PublishEvent &event) {
        asked.set_value(event.message.topic == "a");
        return rmqtt::Verdict::allow;
    };
    rmqtt::Broker broker("{}", std::move(hooks));
    broker.start();
    broker.publish("a", "b");
    return asked.get_future().get() ? 0 : 1;
} catch (const rmqtt::Error &error) {
    std::cerr << error.what() << '\n';
    return 1;
}
