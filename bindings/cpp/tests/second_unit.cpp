// The header in a second translation unit: it must link with the first one.

#include <rmqtt.hpp>

#include "second_unit.hpp"

rmqtt::Broker broker_of_second_unit() {
    rmqtt::Hooks hooks;
    hooks.authenticate = [](const rmqtt::AuthEvent &) { return rmqtt::Verdict::deny; };
    hooks.connected = [](const rmqtt::ConnectedEvent &) {};
    hooks.disconnected = [](const rmqtt::DisconnectedEvent &) {};
    return rmqtt::Broker(R"({"id": "second"})", std::move(hooks));
}
