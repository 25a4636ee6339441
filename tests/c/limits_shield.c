/* Who is kept out: by the program, for having failed too often, and by network. */

#include "hooks.h"

/** What `client_banned` has told, a line for each. */
typedef struct bans {
    pthread_mutex_t lock;
    char told[512];
} bans;

static void note_ban(const rmqtt_client_banned_t *event, void *user_data) {
    bans *noted = (bans *)user_data;
    char line[96];
    CHECK_EQ(event->struct_size, sizeof *event);
    snprintf(line, sizeof line, "%d %s %d %s\n", (int)event->kind, event->value.ptr, (int)event->cause,
             event->ban_ms ? "for a while" : "until lifted");
    CHECK_EQ(pthread_mutex_lock(&noted->lock), 0);
    CHECK(strlen(noted->told) + strlen(line) < sizeof noted->told);
    strcat(noted->told, line);
    CHECK_EQ(pthread_mutex_unlock(&noted->lock), 0);
}

static bool has_told(bans *noted, const char *wanted) {
    CHECK_EQ(pthread_mutex_lock(&noted->lock), 0);
    bool same = strcmp(noted->told, wanted) == 0;
    CHECK_EQ(pthread_mutex_unlock(&noted->lock), 0);
    return same;
}

static rmqtt_broker_t *watched_broker(bans *noted, bool in_place, const char *config) {
    memset(noted, 0, sizeof *noted);
    CHECK_EQ(pthread_mutex_init(&noted->lock, NULL), 0);
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.client_banned = note_ban;
    hooks.user_data = noted;
    hooks.flags[RMQTT_HOOK_CLIENT_BANNED] = in_place ? RMQTT_HOOK_INLINE : 0;
    rmqtt_broker_t *broker = test_broker(config);
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
    test_start(broker);
    return broker;
}

static int connect_code(rmqtt_broker_t *broker, int protocol, const char *client_id, const char *username) {
    test_connect connect = test_connect_init(client_id);
    connect.protocol = protocol;
    connect.username = username;
    test_client client = test_client_connect(test_port(broker, 0), &connect);
    close(client.fd);
    return client.code;
}

/** Whether a connection is closed before it has said anything. */
static bool is_closed_at_once(rmqtt_broker_t *broker) {
    char byte;
    int fd = test_dial(test_port(broker, 0));
    bool closed = recv(fd, &byte, 1, 0) <= 0;
    close(fd);
    return closed;
}

static void check_bans(rmqtt_broker_t *broker, const char *wanted) {
    rmqtt_string_t *json = NULL;
    CHECK_OK(rmqtt_broker_bans(broker, &json, NULL));
    if (strcmp(rmqtt_string_view(json).ptr, wanted) != 0) {
        FAIL("%s instead of %s", rmqtt_string_view(json).ptr, wanted);
    }
    rmqtt_string_free(json);
}

#define OPEN "{\"listeners\":[{\"address\":\"127.0.0.1:0\"}],\"auth\":{\"allow_anonymous\":true}}"

static void the_program_bans(bool in_place) {
    bans noted;
    rmqtt_broker_t *broker = watched_broker(&noted, in_place, OPEN);
    check_bans(broker, "{\"bans\":[]}");
    test_client eve = client_open(broker, "eve", 5);
    test_client bob = client_open(broker, "bob", 5);

    /* By client identifier: it has to go, and is not let in again. */
    CHECK_OK(rmqtt_broker_ban(broker, RMQTT_BAN_CLIENT_ID, rmqtt_str("eve"), 0, NULL));
    test_packet packet;
    test_packet_expect(eve.fd, &packet, 0xe0);
    CHECK_EQ(packet.body[0], 0x98);
    CHECK(test_client_closed(eve));
    close(eve.fd);
    CHECK_EQ(connect_code(broker, 5, "eve", NULL), 0x8a);
    CHECK_EQ(connect_code(broker, 4, "eve", NULL), 5);
    CHECK_EQ(publish(bob, "t", "x", 1).code, 0x10);
    check_bans(broker, "{\"bans\":[{\"kind\":\"client_id\",\"value\":\"eve\",\"cause\":\"api\",\"left_ms\":null}]}");

    /* By user name. */
    CHECK_OK(rmqtt_broker_ban(broker, RMQTT_BAN_USER, rmqtt_str("mallory"), 3600000, NULL));
    CHECK_EQ(connect_code(broker, 5, "m", "mallory"), 0x8a);
    CHECK_EQ(connect_code(broker, 5, "m", "alice"), 0);

    CHECK_OK(rmqtt_broker_unban(broker, RMQTT_BAN_CLIENT_ID, rmqtt_str("eve"), NULL));
    CHECK_OK(rmqtt_broker_unban(broker, RMQTT_BAN_USER, rmqtt_str("mallory"), NULL));
    CHECK_EQ(connect_code(broker, 5, "eve", "mallory"), 0);
    CHECK_STATUS(rmqtt_broker_unban(broker, RMQTT_BAN_USER, rmqtt_str("mallory"), NULL), RMQTT_ERR_NOT_FOUND);

    /* By address: whoever is there has to go, and nobody gets as far as to say anything. */
    CHECK_OK(rmqtt_broker_ban(broker, RMQTT_BAN_IP, rmqtt_str("127.0.0.1"), 0, NULL));
    test_packet_expect(bob.fd, &packet, 0xe0);
    CHECK(test_client_closed(bob));
    close(bob.fd);
    CHECK(is_closed_at_once(broker));
    CHECK_OK(rmqtt_broker_unban(broker, RMQTT_BAN_IP, rmqtt_str("127.0.0.1"), NULL));
    CHECK_EQ(connect_code(broker, 5, "bob", NULL), 0);

    WAIT_UNTIL(has_told(&noted, "2 eve 3 until lifted\n3 mallory 3 for a while\n1 127.0.0.1 3 until lifted\n"));
    CHECK_EQ(test_stats(broker).connections_refused_banned, 4);
    rmqtt_broker_free(broker);
}

static void who_fails_too_often_is_banned(void) {
    bans noted;
    rmqtt_broker_t *broker = watched_broker(&noted, false,
                                            "{\"listeners\":[{\"address\":\"127.0.0.1:0\"}],"
                                            "\"limits\":{\"ban\":{\"failures\":2,\"ban_ms\":3600000,\"by\":[\"ip\",\"user\"]}}}");
    CHECK_EQ(connect_code(broker, 5, "c", "mallory"), 0x87);
    CHECK_EQ(connect_code(broker, 5, "c", "mallory"), 0x87);
    CHECK(is_closed_at_once(broker));
    WAIT_UNTIL(has_told(&noted, "1 127.0.0.1 1 for a while\n3 mallory 1 for a while\n"));
    CHECK_OK(rmqtt_broker_unban(broker, RMQTT_BAN_IP, rmqtt_str("127.0.0.1"), NULL));
    CHECK_EQ(connect_code(broker, 5, "c", "mallory"), 0x8a);
    CHECK_EQ(connect_code(broker, 5, "c", "alice"), 0x87);
    rmqtt_stats_t stats = test_stats(broker);
    CHECK_EQ(stats.connections_refused_authentication, 3);
    CHECK_EQ(stats.connections_refused_banned, 2);
    CHECK_EQ(stats.connections_refused, 5);
    rmqtt_broker_free(broker);
}

static void there_is_no_place(void) {
    rmqtt_broker_t *broker = test_broker("{\"listeners\":[{\"address\":\"127.0.0.1:0\"}],\"auth\":{\"allow_anonymous\":true},"
                                         "\"limits\":{\"max_connections\":1}}");
    test_start(broker);
    test_client only = client_open(broker, "only", 5);
    CHECK_EQ(connect_code(broker, 5, "another", NULL), 0x97);
    CHECK_EQ(connect_code(broker, 4, "another", NULL), 3);
    CHECK_EQ(test_stats(broker).connections_refused_full, 2);
    CHECK_EQ(publish(only, "t", "x", 1).code, 0x10);
    close(only.fd);
    rmqtt_broker_free(broker);
}

static void misuse(void) {
    rmqtt_error_t *error = NULL;
    rmqtt_string_t *json = NULL;
    rmqtt_str_t name = rmqtt_str("eve");
    rmqtt_broker_t *broker = test_broker(OPEN);
    CHECK_STATUS(rmqtt_broker_ban(broker, RMQTT_BAN_USER, name, 0, NULL), RMQTT_ERR_INVALID_STATE);
    CHECK_STATUS(rmqtt_broker_bans(broker, &json, NULL), RMQTT_ERR_INVALID_STATE);
    test_start(broker);
    CHECK_STATUS(rmqtt_broker_ban(NULL, RMQTT_BAN_USER, name, 0, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_broker_ban(broker, 0, name, 0, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_broker_ban(broker, 4, name, 0, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_broker_ban(broker, RMQTT_BAN_USER, rmqtt_str(""), 0, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_broker_ban(broker, RMQTT_BAN_USER, rmqtt_str("\xff"), 0, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_broker_ban(broker, RMQTT_BAN_IP, name, 0, &error), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_CONTAINS(rmqtt_error_message(error), "\"eve\" is no IP address");
    rmqtt_error_free(error);
    CHECK_STATUS(rmqtt_broker_unban(NULL, RMQTT_BAN_USER, name, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_broker_bans(NULL, &json, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_broker_bans(broker, NULL, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK(json == NULL);

    /* They outlive a reload, and end with the run. */
    CHECK_OK(rmqtt_broker_ban(broker, RMQTT_BAN_CLIENT_ID, name, 0, NULL));
    CHECK_OK(rmqtt_broker_reload(broker,
                                 rmqtt_str("{\"listeners\":[{\"address\":\"127.0.0.1:0\"}],"
                                           "\"auth\":{\"allow_anonymous\":true},\"limits\":{\"ban\":{\"flaps\":1000}}}"),
                                 NULL, NULL));
    CHECK_EQ(connect_code(broker, 5, "eve", NULL), 0x8a);
    CHECK_OK(rmqtt_broker_stop(broker, 0));
    test_start(broker);
    CHECK_EQ(connect_code(broker, 5, "eve", NULL), 0);
    rmqtt_broker_free(broker);
}

int main(void) {
    the_program_bans(false);
    the_program_bans(true);
    who_fails_too_often_is_banned();
    there_is_no_place();
    misuse();
    return 0;
}
