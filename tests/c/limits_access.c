/* Who may connect and what clients may do, where the configuration decides. */

#include "hooks.h"

#include <unistd.h>

/* As mosquitto_passwd has written it, for the password "secret". */
#define CAROL                                                                                        \
    "carol:$7$101$UYluUdq7VhELiS+n$c5H1PGvfXexqOzH2rKhGFDP0PsvKiFCe7Ol6ZJFvnxEEtxJrCq82ac5dY+wiWUoGxzCj/" \
    "+mUELv4JgGXjZvK7g==\n"

typedef struct passwords {
    char path[64];
    char config[1024];
} passwords;

/** A password file, and a configuration that names it. */
static passwords passwords_write(const char *text, const char *more) {
    passwords made;
    snprintf(made.path, sizeof made.path, "/tmp/rmqtt-passwords-XXXXXX");
    int fd = mkstemp(made.path);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    snprintf(made.config, sizeof made.config,
             "{\"listeners\":[{\"address\":\"127.0.0.1:0\"}],\"auth\":{\"password_file\":\"%s\"}%s}", made.path, more);
    return made;
}

static int connect_as(rmqtt_broker_t *broker, int protocol, const char *username, const char *password) {
    test_connect connect = test_connect_init("client");
    connect.protocol = protocol;
    connect.username = username;
    connect.password = password;
    connect.password_len = password ? strlen(password) : 0;
    test_client client = test_client_connect(test_port(broker, 0), &connect);
    close(client.fd);
    return client.code;
}

static void passwords_are_compared(void) {
    passwords file = passwords_write(CAROL, "");
    rmqtt_broker_t *broker = test_broker(file.config);
    test_start(broker);
    CHECK_EQ(connect_as(broker, 5, "carol", "secret"), 0);
    CHECK_EQ(connect_as(broker, 4, "carol", "secret"), 0);
    CHECK_EQ(connect_as(broker, 5, "carol", "wrong"), 0x86);
    CHECK_EQ(connect_as(broker, 4, "carol", "wrong"), 4);
    CHECK_EQ(connect_as(broker, 5, "dave", "secret"), 0x86);
    CHECK_EQ(connect_as(broker, 5, NULL, NULL), 0x87);
    CHECK_EQ(connect_as(broker, 4, NULL, NULL), 5);

    /* The file is read again. */
    FILE *again = fopen(file.path, "w");
    CHECK(again != NULL);
    CHECK_EQ(fclose(again), 0);
    CHECK_OK(rmqtt_broker_reload(broker, rmqtt_str(file.config), NULL, NULL));
    CHECK_EQ(connect_as(broker, 5, "carol", "secret"), 0x86);

    /* What is wrong with it is said, and changes nothing. */
    CHECK_EQ(unlink(file.path), 0);
    rmqtt_error_t *error = NULL;
    CHECK_STATUS(rmqtt_broker_reload(broker, rmqtt_str(file.config), NULL, &error), RMQTT_ERR_INVALID_CONFIG);
    CHECK_CONTAINS(rmqtt_error_message(error), "/auth/password_file: cannot be read: ");
    rmqtt_error_free(error);
    CHECK_STATUS(rmqtt_config_validate(rmqtt_str(file.config), NULL), RMQTT_ERR_INVALID_CONFIG);
    CHECK_EQ(connect_as(broker, 5, "carol", "secret"), 0x86);
    rmqtt_broker_free(broker);
}

/** Knows two users, and leaves the others to the configuration. */
static rmqtt_verdict_kind_t knows_some(const rmqtt_authenticate_t *event, rmqtt_verdict_t *verdict, void *user_data) {
    (void)user_data;
    (void)verdict;
    rmqtt_str_t name = event->client->username;
    if (name.len == 6 && memcmp(name.ptr, "friend", 6) == 0) {
        return RMQTT_VERDICT_ALLOW;
    }
    if (name.len == 3 && memcmp(name.ptr, "foe", 3) == 0) {
        return RMQTT_VERDICT_DENY;
    }
    return RMQTT_VERDICT_CONTINUE;
}

static void a_hook_leaves_it_to_the_configuration(bool in_place) {
    passwords file = passwords_write(CAROL, "");
    rmqtt_broker_t *broker = test_broker(file.config);
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.authenticate = knows_some;
    hooks.flags[RMQTT_HOOK_AUTHENTICATE] = in_place ? RMQTT_HOOK_INLINE : 0;
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
    test_start(broker);
    CHECK_EQ(connect_as(broker, 5, "friend", "whatever"), 0);
    CHECK_EQ(connect_as(broker, 5, "foe", "whatever"), 0x87);
    CHECK_EQ(connect_as(broker, 5, "carol", "secret"), 0);
    CHECK_EQ(connect_as(broker, 5, "carol", "wrong"), 0x86);
    CHECK_EQ(connect_as(broker, 5, "dave", "secret"), 0x86);
    CHECK_EQ(test_stats(broker).decisions_denied, 1);
    rmqtt_broker_free(broker);
    CHECK_EQ(unlink(file.path), 0);
}

#define RULES                                                                                    \
    ",\"acl\":{\"default_publish\":\"deny\",\"default_subscribe\":\"deny\",\"rules\":["          \
    "{\"effect\":\"deny\",\"topics\":[\"plant/secret\"]},"                                       \
    "{\"effect\":\"allow\",\"action\":\"publish\",\"topics\":[\"plant/%u\",\"plant/secret\"]},"  \
    "{\"effect\":\"allow\",\"action\":\"subscribe\",\"topics\":[\"news/#\",\"plant/carol\"]}]}"

static void rules_decide(int protocol) {
    passwords file = passwords_write(CAROL, RULES);
    rmqtt_broker_t *broker = test_broker(file.config);
    test_start(broker);
    test_connect connect = test_connect_init("client");
    connect.protocol = protocol;
    connect.username = "carol";
    connect.password = "secret";
    connect.password_len = 6;
    test_client client = test_client_connect(test_port(broker, 0), &connect);
    CHECK_EQ(client.code, 0);
    int no = protocol == 5 ? 0x87 : 0x80;
    subscribe(client, "plant/carol", 1, 1);
    subscribe(client, "news/#", 0, 0);
    subscribe(client, "plant/+", 0, no);
    subscribe(client, "#", 0, no);
    subscribe(client, "$SYS/#", 0, no);
    CHECK_EQ(publish(client, "plant/dave", "x", 1).code, protocol == 5 ? 0x87 : 0);
    CHECK_EQ(publish(client, "plant/secret", "x", 1).code, protocol == 5 ? 0x87 : 0);
    CHECK_EQ(test_stats(broker).messages_dropped_refused, 2);
    publish_send(client, "plant/carol", "mine", 0, 0);
    inbound mine = message_read(client);
    CHECK_EQ(strcmp(mine.payload, "mine"), 0);

    rmqtt_string_t *json = NULL;
    CHECK_OK(rmqtt_broker_explain(broker, rmqtt_str("client"), RMQTT_ACTION_PUBLISH, rmqtt_str("plant/secret"), &json, NULL));
    CHECK_CONTAINS(rmqtt_string_view(json), "\"decided_by\":\"rule\",\"rule\":\"acl.rules[0]\"");
    rmqtt_string_free(json);
    close(client.fd);
    rmqtt_broker_free(broker);
    CHECK_EQ(unlink(file.path), 0);
}

int main(void) {
    passwords_are_compared();
    a_hook_leaves_it_to_the_configuration(false);
    a_hook_leaves_it_to_the_configuration(true);
    rules_decide(4);
    rules_decide(5);
    return 0;
}
