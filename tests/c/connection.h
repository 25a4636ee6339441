/* What hooks are shown of a connection, kept for the tests to look at. */

#ifndef RMQTT_TEST_CONNECTION_H
#define RMQTT_TEST_CONNECTION_H

#include "test.h"

typedef struct shown_connection {
    /** The transport, and behind it what else there is of text and numbers: "unix pid 1 uid 0 gid 0". */
    char words[512];
    /** It shows a certificate; the rest is about that. */
    bool certified;
    /** As tests/certificates.sh writes it: subject, issuer, serial number, fingerprint, beginning, end, a line each. */
    char facts[512];
    char common_name[64];
    /** Each with a space behind it. */
    char alternative_names[512];
    uint8_t der[2048];
    size_t der_len;
} shown_connection;

static inline void shown_append(char *room, size_t size, const char *name, rmqtt_str_t text) {
    size_t len = strlen(room);
    if (text.ptr) {
        CHECK_EQ(text.ptr[text.len], '\0');
        CHECK_EQ(strlen(text.ptr), text.len);
        CHECK(len + strlen(name) + text.len + 1 <= size);
        snprintf(room + len, size - len, "%s%s", name, text.ptr);
    } else {
        CHECK_EQ(text.len, 0);
    }
}

static inline void shown_append_number(char *room, size_t size, const char *name, long long number) {
    size_t len = strlen(room);
    CHECK(len + strlen(name) + 20 < size);
    snprintf(room + len, size - len, "%s%lld", name, number);
}

static inline void certificate_see(const rmqtt_certificate_t *certificate, shown_connection *shown) {
    CHECK_EQ(certificate->struct_size, sizeof *certificate);
    shown->certified = true;
    shown_append(shown->facts, sizeof shown->facts, "", certificate->subject);
    shown_append(shown->facts, sizeof shown->facts, "\n", certificate->issuer);
    shown_append(shown->facts, sizeof shown->facts, "\n", certificate->serial);
    shown_append(shown->facts, sizeof shown->facts, "\n", certificate->sha256);
    shown_append_number(shown->facts, sizeof shown->facts, "\n", certificate->not_before_s);
    shown_append_number(shown->facts, sizeof shown->facts, "\n", certificate->not_after_s);
    shown_append(shown->facts, sizeof shown->facts, "", rmqtt_str("\n"));
    shown_append(shown->common_name, sizeof shown->common_name, "", certificate->common_name);
    CHECK((certificate->alternative_names == NULL) == (certificate->alternative_name_count == 0));
    for (size_t i = 0; i < certificate->alternative_name_count; i++) {
        shown_append(shown->alternative_names, sizeof shown->alternative_names, "", certificate->alternative_names[i]);
        shown_append(shown->alternative_names, sizeof shown->alternative_names, "", rmqtt_str(" "));
    }
    CHECK(certificate->der.ptr != NULL && certificate->der.len <= sizeof shown->der);
    memcpy(shown->der, certificate->der.ptr, certificate->der.len);
    shown->der_len = certificate->der.len;
}

static inline void connection_see(const rmqtt_connection_t *connection, shown_connection *shown) {
    char *words = shown->words;
    size_t size = sizeof shown->words;
    memset(shown, 0, sizeof *shown);
    CHECK_EQ(connection->struct_size, sizeof *connection);
    CHECK(connection->transport.ptr != NULL);
    shown_append(words, size, "", connection->transport);
    shown_append(words, size, " proxy ", connection->proxy_address);
    shown_append(words, size, " authority ", connection->proxy_authority);
    shown_append(words, size, " proxy_alpn ", connection->proxy_alpn);
    shown_append(words, size, " proxy_tls ", connection->proxy_tls_version);
    shown_append(words, size, " proxy_cn ", connection->proxy_common_name);
    if (connection->proxy_unique_id.ptr) {
        shown_append(words, size, " proxy_id ", rmqtt_str(""));
        for (size_t i = 0; i < connection->proxy_unique_id.len; i++) {
            size_t len = strlen(words);
            CHECK(len + 3 <= size);
            snprintf(words + len, size - len, "%02x", (unsigned)connection->proxy_unique_id.ptr[i]);
        }
    }
    shown_append(words, size, " tls ", connection->tls_version);
    shown_append(words, size, " cipher ", connection->cipher_suite);
    shown_append(words, size, " server ", connection->server_name);
    shown_append(words, size, " alpn ", connection->alpn);
    if (connection->pid != -1) {
        shown_append_number(words, size, " pid ", connection->pid);
    }
    if (connection->uid != UINT32_MAX) {
        shown_append_number(words, size, " uid ", connection->uid);
    }
    if (connection->gid != UINT32_MAX) {
        shown_append_number(words, size, " gid ", connection->gid);
    }
    if (connection->certificate) {
        certificate_see(connection->certificate, shown);
    }
    for (size_t i = 0; i < sizeof connection->reserved; i++) {
        CHECK_EQ(connection->reserved[i], 0);
    }
}

#define CHECK_SHOWN(shown, wanted)                                                          \
    do {                                                                                    \
        if (strcmp((shown)->words, wanted) != 0) {                                          \
            FAIL("the connection is \"%s\", not \"%s\"", (shown)->words, wanted);           \
        }                                                                                   \
    } while (0)

#endif /* RMQTT_TEST_CONNECTION_H */
