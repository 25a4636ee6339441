// A broker, a subscription and an authenticator that takes its time.

#include <rmqtt.hpp>

#include <future>
#include <iostream>
#include <string>
#include <thread>

int main() try {
    rmqtt::Hooks hooks;
    hooks.authenticate = [](const rmqtt::AuthEvent &event) -> rmqtt::Answer {
        if (!event.client.username) {
            return rmqtt::Verdict::deny;
        }
        const rmqtt::Decision ticket = rmqtt::defer();
        if (!ticket) {
            return rmqtt::Verdict::deny;
        }
        // A copy: the views end with this function.
        std::thread([ticket, user = std::string(*event.client.username)] {
            // Here a directory would be asked.
            ticket.complete(user == "alice" ? rmqtt::Answer(rmqtt::Verdict::allow)
                                            : rmqtt::Answer::deny(0x86, "who are you?"));
        }).detach();
        return rmqtt::Answer::later();
    };

    std::promise<void> received;
    rmqtt::Broker broker(R"({"listeners": [{"name": "main", "address": "127.0.0.1:0"}]})", std::move(hooks));
    broker.start();
    for (const rmqtt::Listener &listener : broker.listeners()) {
        std::cout << listener.name << " listens on " << listener.address << '\n';
    }

    rmqtt::Subscription subscription = broker.subscribe("plant/#", [&](const rmqtt::Message &message) {
        std::cout << message.topic << ' ' << message.payload << '\n';
        received.set_value();
    });
    broker.publish("plant/1/state", "on");
    received.get_future().wait();

    broker.stop(std::chrono::seconds(5));
} catch (const rmqtt::Error &error) {
    std::cerr << error.name() << ": " << error.what() << '\n';
    return 1;
}
