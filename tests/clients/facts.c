/*
 * A broker that tells what its hooks see of each connection: `facts CONFIG`, with the configuration as JSON.
 *
 * Writes lines of JSON: `listening`, as rmqtt-broker does, then one for each call of `pre_connect` and `authenticate`.
 * What is absent is null. Lets everyone in. Ends with SIGTERM.
 */
#define _POSIX_C_SOURCE 200809L

#include <rmqtt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { GRACE_MS = 5000 };

/* ---- JSON ------------------------------------------------------------------------------------------------------ */

static void put_text(rmqtt_str_t text) {
    if (text.ptr == NULL) {
        fputs("null", stdout);
        return;
    }
    putchar('"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20 || c == '"' || c == '\\') {
            printf("\\u%04x", c);
        } else {
            putchar(c);
        }
    }
    putchar('"');
}

static void put_octets(rmqtt_bytes_t bytes) {
    if (bytes.ptr == NULL) {
        fputs("null", stdout);
        return;
    }
    putchar('"');
    for (size_t i = 0; i < bytes.len; i++) {
        printf("%02x", bytes.ptr[i]);
    }
    putchar('"');
}

static void put_key(const char *key) {
    printf(",\"%s\":", key);
}

static void put_text_at(const char *key, rmqtt_str_t text) {
    put_key(key);
    put_text(text);
}

static void put_octets_at(const char *key, rmqtt_bytes_t bytes) {
    put_key(key);
    put_octets(bytes);
}

/* ---- What is known of a connection ----------------------------------------------------------------------------- */

static void put_certificate(const rmqtt_certificate_t *certificate) {
    if (certificate == NULL) {
        fputs("null", stdout);
        return;
    }
    fputs("{\"subject\":", stdout);
    put_text(certificate->subject);
    put_text_at("common_name", certificate->common_name);
    put_text_at("issuer", certificate->issuer);
    put_text_at("serial", certificate->serial);
    put_text_at("sha256", certificate->sha256);
    put_key("alternative_names");
    for (size_t i = 0; i < certificate->alternative_name_count; i++) {
        putchar(i == 0 ? '[' : ',');
        put_text(certificate->alternative_names[i]);
    }
    fputs(certificate->alternative_name_count == 0 ? "[]" : "]", stdout);
    printf(",\"not_before_s\":%lld,\"not_after_s\":%lld", (long long)certificate->not_before_s,
           (long long)certificate->not_after_s);
    put_octets_at("der", certificate->der);
    putchar('}');
}

static void put_connection(const rmqtt_connection_t *connection) {
    put_text_at("transport", connection->transport);
    put_text_at("proxy_address", connection->proxy_address);
    put_text_at("proxy_authority", connection->proxy_authority);
    put_text_at("proxy_alpn", connection->proxy_alpn);
    put_text_at("proxy_tls_version", connection->proxy_tls_version);
    put_text_at("proxy_common_name", connection->proxy_common_name);
    put_octets_at("proxy_unique_id", connection->proxy_unique_id);
    put_text_at("tls_version", connection->tls_version);
    put_text_at("cipher_suite", connection->cipher_suite);
    put_text_at("server_name", connection->server_name);
    put_text_at("alpn", connection->alpn);
    put_key("certificate");
    put_certificate(connection->certificate);
    printf(",\"pid\":%ld,\"uid\":%lu,\"gid\":%lu", (long)connection->pid, (unsigned long)connection->uid,
           (unsigned long)connection->gid);
}

/* ---- The hooks: from several threads, a line at a time --------------------------------------------------------- */

static rmqtt_verdict_kind_t on_pre_connect(const rmqtt_pre_connect_t *event, rmqtt_verdict_t *verdict,
                                           void *user_data) {
    (void)verdict;
    (void)user_data;
    flockfile(stdout);
    printf("{\"event\":\"pre_connect\",\"stage\":\"%s\"",
           event->stage == RMQTT_STAGE_ACCEPTED ? "accepted" : "established");
    put_text_at("address", event->address);
    put_text_at("listener", event->listener);
    put_connection(event->connection);
    puts("}");
    funlockfile(stdout);
    return RMQTT_VERDICT_ALLOW;
}

static rmqtt_verdict_kind_t on_authenticate(const rmqtt_authenticate_t *event, rmqtt_verdict_t *verdict,
                                            void *user_data) {
    (void)verdict;
    (void)user_data;
    flockfile(stdout);
    fputs("{\"event\":\"authenticate\",\"client_id\":", stdout);
    put_text(event->client->client_id);
    put_text_at("username", event->client->username);
    put_text_at("address", event->client->address);
    put_text_at("listener", event->client->listener);
    put_connection(event->connection);
    puts("}");
    funlockfile(stdout);
    return RMQTT_VERDICT_ALLOW;
}

/* ---- The broker ------------------------------------------------------------------------------------------------ */

static void put_listening(const rmqtt_broker_t *broker) {
    size_t count = rmqtt_broker_listener_count(broker);

    flockfile(stdout);
    fputs("{\"event\":\"listening\",\"listeners\":[", stdout);
    for (size_t i = 0; i < count; i++) {
        rmqtt_listener_info_t listener = rmqtt_listener_info_init();
        rmqtt_broker_listener_info(broker, i, &listener);
        fputs(i == 0 ? "{\"name\":" : ",{\"name\":", stdout);
        put_text(listener.name);
        put_text_at("type", listener.type);
        put_text_at("address", listener.address);
        putchar('}');
    }
    puts("]}");
    funlockfile(stdout);
}

static int failed(rmqtt_broker_t *broker, rmqtt_error_t *error) {
    fprintf(stderr, "facts: %s\n", rmqtt_error_message(error).ptr);
    rmqtt_error_free(error);
    rmqtt_broker_free(broker);
    return EXIT_FAILURE;
}

int main(int argc, char **argv) {
    rmqtt_broker_t *broker = NULL;
    rmqtt_error_t *error = NULL;
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    sigset_t signals;
    int signal_number;

    if (argc != 2) {
        fputs("usage: facts CONFIG\n", stderr);
        return EXIT_FAILURE;
    }
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);

    hooks.pre_connect = on_pre_connect;
    hooks.authenticate = on_authenticate;
    if (rmqtt_broker_new(rmqtt_str(argv[1]), &broker, &error) != RMQTT_OK ||
        rmqtt_broker_set_hooks(broker, &hooks, &error) != RMQTT_OK ||
        rmqtt_broker_start(broker, &error) != RMQTT_OK) {
        return failed(broker, error);
    }
    put_listening(broker);
    sigwait(&signals, &signal_number);
    rmqtt_broker_stop(broker, GRACE_MS);
    rmqtt_broker_free(broker);
    return EXIT_SUCCESS;
}
