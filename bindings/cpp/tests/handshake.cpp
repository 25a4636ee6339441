// How clients authenticate, and what they are told besides yes and no.

#include <rmqtt.hpp>

#include "check.hpp"
#include "mqtt.hpp"
#include "scenario.hpp"

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;

// What hooks say with their answers.
const std::vector<rmqtt::UserProperty> REMARKS = {{"hint", "the first of two hints for this client"}, {"hint", "2"}};
constexpr const char *REMARKED = "26:hint=the first of two hints for this client 26:hint=2";

Mqtt::Options exchange(std::string_view data) {
    Mqtt::Options options = v5();
    options.properties = property(0x15, "riddle") + property(0x16, data);
    return options;
}

void auth_exchange() {
    Told told;
    rmqtt::Hooks hooks;
    hooks.auth_exchange = [&](const rmqtt::AuthExchangeEvent &event) -> rmqtt::Answer {
        told.add(std::string(event.client.client_id) + '|' + std::string(event.method) + '|' +
                 std::string(event.data.value_or("-")) + '|' + std::to_string(event.round) + '|' +
                 (event.again ? "again" : "new"));
        if (event.data == "hello") {
            // Longer than what fits into a string object: memcheck sees it if the text goes before it is read.
            return rmqtt::Answer::challenge("what has roots that nobody sees and is taller than trees?");
        }
        if (event.data == "mountain") {
            return rmqtt::Answer::allow().auth_data("that is right").user_properties(REMARKS);
        }
        if (event.data == "later") {
            const rmqtt::Decision ticket = rmqtt::defer();
            CHECK(ticket.complete(rmqtt::Answer::challenge("take your time")));
            return rmqtt::Answer::later();
        }
        if (event.data == "broken") {
            throw std::runtime_error("no");
        }
        return rmqtt::Answer::deny(0x87, "that is wrong");
    };
    rmqtt::Broker broker = started(std::move(hooks));
    Mqtt client(port(broker));
    client.send_connect(exchange("hello"));
    CHECK_EQ(client.read_auth(), 0x18);
    CHECK_EQ(told.next(), "pump|riddle|hello|1|new");
    CHECK(client.told().have("15:riddle"));
    CHECK(client.told().have("16:what has roots that nobody sees and is taller than trees?"));
    client.send_auth(0x18, property(0x15, "riddle") + property(0x16, "later"));
    CHECK_EQ(client.read_auth(), 0x18);
    CHECK_EQ(told.next(), "pump|riddle|later|2|new");
    client.send_auth(0x18, property(0x15, "riddle") + property(0x16, "mountain"));
    CHECK_EQ(client.read_connack(), 0);
    CHECK_EQ(told.next(), "pump|riddle|mountain|3|new");
    CHECK(client.told().have("15:riddle") && client.told().have("16:that is right") && client.told().have(REMARKED));

    client.send_auth(0x19, property(0x15, "riddle") + property(0x16, "hello"));
    CHECK_EQ(client.read_auth(), 0x18);
    CHECK_EQ(told.next(), "pump|riddle|hello|1|again");
    client.send_auth(0x18, property(0x15, "riddle") + property(0x16, "mountain"));
    CHECK_EQ(client.read_auth(), 0);
    CHECK_EQ(told.next(), "pump|riddle|mountain|2|again");
    CHECK(client.told().have("16:that is right"));
    client.send_auth(0x19, property(0x15, "riddle"));
    CHECK_EQ(client.read_disconnect(), 0x87);
    CHECK_EQ(told.next(), "pump|riddle|-|1|again");

    Mqtt wrong(port(broker));
    CHECK_EQ(wrong.connect(exchange("hill")), 0x87);
    CHECK(wrong.told().have("1f:that is wrong"));
    CHECK_EQ(Mqtt(port(broker)).connect(exchange("broken")), 0x87);
}

void connack() {
    Told told;
    rmqtt::Hooks hooks;
    hooks.authenticate = [](const rmqtt::AuthEvent &event) -> rmqtt::Answer {
        return event.client.client_id == "bad" ? rmqtt::Answer::deny(0x86, "who are you?") : rmqtt::Verdict::allow;
    };
    hooks.connack = [&](const rmqtt::ConnackEvent &event) {
        told.add(std::string(event.client.client_id) + '|' + std::to_string(event.reason_code) + '|' +
                 std::string(event.reason_string.value_or("-")) + '|' + (event.session_present ? "present" : "new"));
        throw std::runtime_error("swallowed");
    };
    rmqtt::Broker broker = started(std::move(hooks));
    for (const char protocol : {char(4), char(5)}) {
        Mqtt::Options options;
        options.protocol = protocol;
        options.client_id = "bad";
        CHECK(Mqtt(port(broker)).connect(options) != 0);
        CHECK_EQ(told.next().substr(0, 8), "bad|134|");
        options.client_id = "good";
        options.clean_start = false;
        if (protocol == 5) {
            options.properties = property(0x11, 3600, 4);
        }
        Mqtt first(port(broker));
        CHECK_EQ(first.connect(options), 0);
        CHECK_EQ(told.next(), protocol == 4 ? "good|0|-|new" : "good|0|-|present");
        Mqtt second(port(broker));
        CHECK_EQ(second.connect(options), 0);
        CHECK_EQ(told.next(), "good|0|-|present");
    }
    CHECK(told.empty());
}

void authenticate_with_changes() {
    Told told;
    rmqtt::Hooks hooks;
    hooks.authenticate = [](const rmqtt::AuthEvent &event) -> rmqtt::Answer {
        rmqtt::Changes changes;
        changes.client_id = "the-plant-that-the-certificate-is-for/" + std::string(event.client.username.value_or("-"));
        changes.session_expiry = 90s;
        changes.keep_alive = 100000s;
        changes.superuser = true;
        return rmqtt::Answer::allow(std::move(changes))
            .reason("welcome, and do not forget to close the door")
            .response_information("answers/for/the/client/that/has/asked")
            .user_properties(REMARKS);
    };
    hooks.connected = [&](const rmqtt::ConnectedEvent &event) {
        told.add(std::string(event.client.client_id) + (event.client.superuser ? "|superuser" : ""));
    };
    rmqtt::Broker broker = started(std::move(hooks));
    Mqtt::Options options = v5("");
    options.username = "alice";
    options.properties = property(0x19, 1, 1) + property(0x11, 7, 4);
    Mqtt client(port(broker));
    CHECK_EQ(client.connect(options), 0);
    CHECK_EQ(told.next(), "the-plant-that-the-certificate-is-for/alice|superuser");
    const Properties &properties = client.told();
    CHECK(properties.have("12:the-plant-that-the-certificate-is-for/alice"));
    CHECK(properties.have("11:90"));
    CHECK(properties.have("13:65535"));
    CHECK(properties.have("1a:answers/for/the/client/that/has/asked"));
    CHECK(properties.have("1f:welcome, and do not forget to close the door"));
    CHECK(properties.have(REMARKED));

    Mqtt old(port(broker));
    CHECK_EQ(old.connect({"old"}), 0);
    CHECK_EQ(told.next(), "the-plant-that-the-certificate-is-for/-|superuser");
}

void refused_with_details() {
    rmqtt::Hooks hooks;
    hooks.authenticate = [](const rmqtt::AuthEvent &) {
        return rmqtt::Answer::deny(0x9d, "this plant has moved")
            .server_reference("other.example:1883")
            .user_properties(REMARKS);
    };
    rmqtt::Broker broker = started(std::move(hooks));
    Mqtt client(port(broker));
    CHECK_EQ(client.connect(v5()), 0x9d);
    CHECK(client.told().have("1c:other.example:1883"));
    CHECK(client.told().have("1f:this plant has moved"));
    CHECK(client.told().have(REMARKED));
    CHECK_EQ(Mqtt(port(broker)).connect({}), 3);
}

// Reason strings and user properties, with yes as well as with no, at once and later.
void remarks_in_acknowledgements() {
    const auto answer = [](std::string_view to) {
        if (to.substr(0, 3) == "yes") {
            return rmqtt::Answer::allow().reason("as you wish, this one time").user_properties(REMARKS);
        }
        return rmqtt::Answer::deny(0x83, "it cannot be done").user_properties(REMARKS);
    };
    const auto decide = [&](std::string_view to) -> rmqtt::Answer {
        if (to.size() > 3) {
            const rmqtt::Decision ticket = rmqtt::defer();
            CHECK(ticket.complete(answer(to)));
            return rmqtt::Answer::later();
        }
        return answer(to);
    };
    rmqtt::Hooks hooks;
    hooks.authorize_publish = [&](const rmqtt::PublishEvent &event) { return decide(event.message.topic); };
    hooks.authorize_subscribe = [&](const rmqtt::SubscribeEvent &event) { return decide(event.filter); };
    hooks.authorize_unsubscribe = [&](const rmqtt::UnsubscribeEvent &event) { return decide(event.filter); };
    rmqtt::Broker broker = started(std::move(hooks));
    Mqtt client(port(broker));
    CHECK_EQ(client.connect(v5()), 0);
    Mqtt old(port(broker));
    CHECK_EQ(old.connect({"old"}), 0);
    Mqtt::Options options = v5("quiet");
    options.properties = property(0x17, 0, 1);
    Mqtt quiet(port(broker));
    CHECK_EQ(quiet.connect(options), 0);
    for (const std::string topic : {"yes", "no", "yes, later", "no, later"}) {
        const bool yes = topic.substr(0, 3) == "yes";
        const std::string reason = yes ? "1f:as you wish, this one time" : "1f:it cannot be done";
        // Nobody gets it, which a reason code of its own may tell.
        const int published = client.publish_1(topic, "x");
        CHECK_EQ(published >= 0x80, !yes);
        CHECK(client.told().have(reason) && client.told().have(REMARKED));
        CHECK_EQ(client.subscribe(topic, 0), yes ? 0 : 0x83);
        CHECK(client.told().have(reason) && client.told().have(REMARKED));
        if (yes) {
            CHECK_EQ(client.unsubscribe(topic), 0);
            CHECK(client.told().have(reason) && client.told().have(REMARKED));
        }
        // One that does not want to know, and one of an older protocol.
        CHECK_EQ(quiet.publish_1(topic, "x") >= 0x80, !yes);
        CHECK_EQ(quiet.told().all(), "");
        CHECK_EQ(old.publish_1(topic, "x"), 0);
    }
}

const Scenario SCENARIOS[] = {
    SCENARIO(auth_exchange),
    SCENARIO(connack),
    SCENARIO(authenticate_with_changes),
    SCENARIO(refused_with_details),
    SCENARIO(remarks_in_acknowledgements),
};

}  // namespace

int main(int argc, char **argv) {
    return run(SCENARIOS, argc, argv);
}
