/*
 * TLS as hooks and clients see it: openssl s_client connects, with certificates that openssl has made, and what hooks are
 * shown of them is what openssl says.
 *
 * With the directory that tests/certificates.sh has filled in RMQTT_CERTIFICATES.
 */

#include "hooks.h"
#include "tls_client.h"

#define ASKED (BIT(RMQTT_HOOK_PRE_CONNECT) | BIT(RMQTT_HOOK_AUTHENTICATE))
#define EXCHANGE BIT(RMQTT_HOOK_AUTH_EXCHANGE)

static const char *certificates;

/** A cipher suite: what openssl and the standard call it. */
typedef struct suite {
    const char *option;
    const char *name;
} suite;

/** The suites of both versions. Memcheck does not follow the instructions for AES, and takes what they write for unset. */
static suite suite_of(int version) {
    static const suite suites[2][2] = {
        {{"ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
         {"ECDHE-ECDSA-CHACHA20-POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"}},
        {{"TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"},
         {"TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256"}},
    };
    return suites[version - 2][test_scaled(0, 1)];
}

/** A listener for TLS, with these keys of its `tls` object besides certificate and key, and a comma before them. */
static const char *config(const char *tls) {
    static char text[4096];
    int len = snprintf(text, sizeof text,
                       "{\"listeners\":[{\"type\":\"tls\",\"address\":\"127.0.0.1:0\",\"tls\":{"
                       "\"cert_file\":\"%s/server.pem\",\"key_file\":\"%s/server.key\"%s}}],"
                       "\"runtime\":{\"worker_threads\":2}}",
                       certificates, certificates, tls);
    CHECK(len > 0 && (size_t)len < sizeof text);
    return text;
}

/** As above, for clients that have to show a certificate of the authority, with more keys. */
static const char *mutual_config(const char *more) {
    char tls[2048];
    int len = snprintf(tls, sizeof tls, ",\"client_ca_file\":\"%s/authority.pem\",\"client_auth\":\"required\"%s",
                       certificates, more);
    CHECK(len > 0 && (size_t)len < sizeof tls);
    return config(tls);
}

/** A connection to be spoken MQTT to. */
typedef struct carrier {
    tls_client tls;
    test_client mqtt;
} carrier;

/** `name` is that of the client's certificate, NULL for none; `version` is that of TLS: 2 for 1.2, 3 for 1.3. */
static carrier carrier_open(const rmqtt_broker_t *broker, const char *name, int version, int protocol) {
    char authority[512], certificate[512], key[512];
    snprintf(authority, sizeof authority, "%s/authority.pem", certificates);
    snprintf(certificate, sizeof certificate, "%s/%s.pem", certificates, name ? name : "");
    snprintf(key, sizeof key, "%s/%s.key", certificates, name ? name : "");
    const char *options[] = {
        version == 2 ? "-tls1_2" : "-tls1_3", version == 2 ? "-cipher" : "-ciphersuites", suite_of(version).option,
        "-CAfile", authority, "-verify_return_error", "-verify_hostname", "localhost", "-servername", "localhost",
        "-alpn", "mqtt", name ? "-cert" : NULL, certificate, "-key", key, NULL,
    };
    carrier opened;
    opened.tls = tls_client_start(test_port(broker, 0), options, TEST_DEADLINE_MS / 1000);
    CHECK(opened.tls.process > 0);
    memset(&opened.mqtt, 0, sizeof opened.mqtt);
    opened.mqtt.fd = opened.tls.fd;
    opened.mqtt.protocol = protocol;
    return opened;
}

/** What CONNACK says; -1 if there is none. */
static int carrier_connect(carrier *opened) {
    test_connect connect = test_connect_init("c");
    connect.protocol = opened->mqtt.protocol;
    test_connect_send(opened->mqtt.fd, &connect);
    test_connack_read(&opened->mqtt);
    return opened->mqtt.code;
}

/** The code of CONNACK for a client that goes at once. */
static int carrier_try(const rmqtt_broker_t *broker, const char *name, int version, int protocol) {
    carrier opened = carrier_open(broker, name, version, protocol);
    int code = carrier_connect(&opened);
    tls_client_end(opened.tls);
    return code;
}

/** What openssl says of a certificate. */
static size_t file_read(const char *name, const char *suffix, void *room, size_t size) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s.%s", certificates, name, suffix);
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    size_t len = fread(room, 1, size, file);
    CHECK(len < size && feof(file));
    fclose(file);
    return len;
}

static void check_certificate(const shown_connection *shown, const char *name) {
    char facts[1024];
    uint8_t der[4096];
    CHECK(shown->certified);
    facts[file_read(name, "facts", facts, sizeof facts)] = '\0';
    if (strcmp(shown->facts, facts) != 0) {
        FAIL("the certificate is\n%snot\n%s", shown->facts, facts);
    }
    CHECK_EQ(file_read(name, "der", der, sizeof der), shown->der_len);
    CHECK_EQ(memcmp(shown->der, der, shown->der_len), 0);
}

static void hooks_see_the_certificate(int way, int protocol) {
    judge judging;
    char words[256];
    int version = protocol - 2;
    snprintf(words, sizeof words, "tls tls 1.%d cipher %s server localhost alpn mqtt", version, suite_of(version).name);
    rmqtt_broker_t *broker =
        judged_broker_with(&judging, way, ASKED, mutual_config(",\"username_from\":\"cn\""));
    carrier opened = carrier_open(broker, "pump", version, protocol);
    CHECK_EQ(carrier_connect(&opened), 0);
    CHECK_ASKED(&judging, "C,C established,A c,");
    CHECK_SHOWN(&judging.accepted, "tls");
    CHECK(!judging.accepted.certified);
    const shown_connection *const both[] = {&judging.established, &judging.connecting};
    for (size_t i = 0; i < 2; i++) {
        CHECK_SHOWN(both[i], words);
        check_certificate(both[i], "pump");
        CHECK_STR(rmqtt_str(both[i]->common_name), "pump-7");
        CHECK_STR(rmqtt_str(both[i]->alternative_names),
                  "DNS:pump-7.example IP:192.0.2.1 URI:urn:pump:7 email:pump@example.com ");
    }
    CHECK_STR(rmqtt_str(judging.username), "pump-7");

    /* Messages of several TLS records come through, both ways. */
    char payload[1000];
    memset(payload, 'x', sizeof payload - 1);
    payload[sizeof payload - 1] = '\0';
    test_client_subscribe(opened.mqtt, "t", 1);
    for (int i = 0; i < 40; i++) {
        test_client_publish(opened.mqtt, "t", payload, 0);
    }
    for (int i = 0; i < 40; i++) {
        test_message received = test_client_receive(opened.mqtt);
        CHECK_STR(rmqtt_str(received.payload), payload);
    }
    test_packet leaving;
    test_packet_begin(&leaving, 0xe0);
    test_packet_send(opened.mqtt.fd, &leaving);
    CHECK(test_client_closed(opened.mqtt));
    tls_client_end(opened.tls);
    CHECK_EQ(test_stats(broker).handshakes_failed, 0);
    judged_end(&judging);
}

static void a_hook_says_no_at_either_stage(int way, int protocol) {
    judge judging;
    rmqtt_broker_t *broker = judged_broker_with(&judging, way, ASKED, mutual_config(""));
    judge_rule(&judging, rule_deny("C", 0, NULL));
    CHECK_EQ(carrier_try(broker, "pump", 3, protocol), -1);
    CHECK_ASKED(&judging, "C,");
    judge_forget(&judging);
    judge_rule(&judging, rule_allow("C"));
    judge_rule(&judging, rule_deny("C established", 0, NULL));
    CHECK_EQ(carrier_try(broker, "pump", 3, protocol), -1);
    CHECK_ASKED(&judging, "C,C established,");
    CHECK_EQ(test_stats(broker).handshakes_failed, 0);
    judged_end(&judging);
}

/** Refuses the handshake: hooks hear of it no more than that somebody has come. */
static void check_refused(judge *judging, const char *name, int version, int protocol) {
    uint64_t before = test_stats(judging->broker).handshakes_failed;
    judge_forget(judging);
    CHECK_EQ(carrier_try(judging->broker, name, version, protocol), -1);
    WAIT_UNTIL(test_stats(judging->broker).handshakes_failed == before + 1);
    CHECK_ASKED(judging, "C,");
}

static void who_has_no_good_certificate_is_refused(int way, int protocol) {
    judge judging;
    char more[512];
    snprintf(more, sizeof more, ",\"username_from\":\"cn\",\"crl_file\":\"%s/authority.crl\"", certificates);
    rmqtt_broker_t *broker = judged_broker_with(&judging, way, ASKED, mutual_config(more));
    const char *const names[] = {NULL, "revoked", "stranger", "nameless"};
    for (int version = 2; version <= 3; version++) {
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            check_refused(&judging, names[i], version, protocol);
        }
        CHECK_EQ(carrier_try(broker, "pump", version, protocol), 0);
    }
    /* One that does not speak TLS at all. */
    test_connect connect = test_connect_init("c");
    connect.protocol = protocol;
    uint64_t before = test_stats(broker).handshakes_failed;
    test_client plain;
    memset(&plain, 0, sizeof plain);
    plain.fd = test_dial(test_port(broker, 0));
    test_connect_send(plain.fd, &connect);
    WAIT_UNTIL(test_stats(broker).handshakes_failed == before + 1);
    close(plain.fd);
    judged_end(&judging);
}

static void without_the_list_a_certificate_is_good(int way, int protocol) {
    judge judging;
    rmqtt_broker_t *broker =
        judged_broker_with(&judging, way, ASKED, mutual_config(",\"username_from\":\"subject\""));
    CHECK_EQ(carrier_try(broker, "revoked", 3, protocol), 0);
    CHECK_STR(rmqtt_str(judging.username), "CN=pump-8,O=Plant");
    check_certificate(&judging.connecting, "revoked");
    CHECK_EQ(carrier_try(broker, "nameless", 3, protocol), 0);
    CHECK_STR(rmqtt_str(judging.username), "OU=Pumps,O=Plant");
    check_certificate(&judging.connecting, "nameless");
    CHECK_STR(rmqtt_str(judging.connecting.common_name), "");
    CHECK_STR(rmqtt_str(judging.connecting.alternative_names), "");
    judged_end(&judging);
}

static void a_certificate_can_be_left_to_the_client(int way, int protocol) {
    judge judging;
    char tls[1024];
    snprintf(tls, sizeof tls, ",\"client_ca_file\":\"%s/authority.pem\",\"client_auth\":\"optional\"", certificates);
    rmqtt_broker_t *broker = judged_broker_with(&judging, way, ASKED, config(tls));
    CHECK_EQ(carrier_try(broker, NULL, 3, protocol), 0);
    CHECK(!judging.connecting.certified);
    CHECK_EQ(carrier_try(broker, "pump", 3, protocol), 0);
    check_certificate(&judging.connecting, "pump");
    /* What it is good for is said by nobody. */
    CHECK_STR(rmqtt_str(judging.username), "");
    check_refused(&judging, "stranger", 3, protocol);
    judged_end(&judging);

    /* Nobody wants to see it. */
    broker = judged_broker_with(&judging, way, ASKED, config(""));
    CHECK_EQ(carrier_try(broker, "pump", 2, protocol), 0);
    CHECK(!judging.connecting.certified);
    judged_end(&judging);
}

static void an_exchange_sees_the_certificate(int way) {
    static const char method[] = {0x15, 0, 6, 'r', 'i', 'd', 'd', 'l', 'e'};
    judge judging;
    rmqtt_broker_t *broker = judged_broker_with(&judging, way, EXCHANGE, mutual_config(""));
    carrier opened = carrier_open(broker, "pump", 3, 5);
    test_connect connect = test_connect_init("c");
    connect.protocol = 5;
    connect.properties = method;
    connect.properties_len = sizeof method;
    test_connect_send(opened.mqtt.fd, &connect);
    test_connack_read(&opened.mqtt);
    CHECK_EQ(opened.mqtt.code, 0);
    CHECK_ASKED(&judging, "E c riddle  1,");
    check_certificate(&judging.connecting, "pump");
    tls_client_end(opened.tls);
    judged_end(&judging);
}

static void who_has_a_certificate_is_somebody(void) {
    rmqtt_broker_t *broker = test_broker(mutual_config(",\"username_from\":\"cn\""));
    test_start(broker);
    for (int protocol = 4; protocol <= 5; protocol++) {
        CHECK_EQ(carrier_try(broker, "pump", 3, protocol), 0);
    }
    rmqtt_broker_free(broker);

    /* Without a user name there is nobody, and no one is asked. */
    broker = test_broker(mutual_config(""));
    test_start(broker);
    CHECK_EQ(carrier_try(broker, "pump", 3, 5), 0x87);
    rmqtt_broker_free(broker);
}

int main(void) {
    certificates = getenv("RMQTT_CERTIFICATES");
    CHECK(certificates != NULL);
    for (int way = 0; way < WAYS; way++) {
        for (int protocol = 4; protocol <= 5; protocol++) {
            hooks_see_the_certificate(way, protocol);
            a_hook_says_no_at_either_stage(way, protocol);
            who_has_no_good_certificate_is_refused(way, protocol);
            without_the_list_a_certificate_is_good(way, protocol);
            a_certificate_can_be_left_to_the_client(way, protocol);
        }
        an_exchange_sees_the_certificate(way);
    }
    who_has_a_certificate_is_somebody();
    return 0;
}
