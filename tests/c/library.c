/* What the library says about itself, and the helpers of the header. */

#include "test.h"

static void versions_agree(void) {
    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", RMQTT_VERSION_MAJOR, RMQTT_VERSION_MINOR, RMQTT_VERSION_PATCH);
    CHECK_STR(rmqtt_version(), version);
    CHECK_EQ(rmqtt_abi_version(), RMQTT_ABI_VERSION);
}

static void features_are_known_by_name(void) {
    CHECK(rmqtt_has_feature(rmqtt_str("tcp")));
    CHECK(!rmqtt_has_feature(rmqtt_str("teleport")));
    CHECK(!rmqtt_has_feature(rmqtt_str("TCP")));
    CHECK(!rmqtt_has_feature(rmqtt_str("")));
    CHECK(!rmqtt_has_feature(rmqtt_str(NULL)));
    CHECK(!rmqtt_has_feature(rmqtt_str("\xff")));

    /* No terminator is needed: the name ends where its length says. */
    rmqtt_str_t name = rmqtt_str("tcp-and-more");
    name.len = 3;
    CHECK(rmqtt_has_feature(name));
    name.ptr = NULL;
    CHECK(!rmqtt_has_feature(name));
}

static void statuses_have_names(void) {
#define NAMED(status) CHECK_STR(rmqtt_status_name(status), #status)
    NAMED(RMQTT_OK);
    NAMED(RMQTT_ERR_INVALID_ARGUMENT);
    NAMED(RMQTT_ERR_INVALID_CONFIG);
    NAMED(RMQTT_ERR_INVALID_STATE);
    NAMED(RMQTT_ERR_BIND);
    NAMED(RMQTT_ERR_IO);
    NAMED(RMQTT_ERR_UNSUPPORTED);
    NAMED(RMQTT_ERR_WOULD_DEADLOCK);
    NAMED(RMQTT_ERR_EXPIRED);
    NAMED(RMQTT_ERR_FORKED);
    NAMED(RMQTT_ERR_PANIC);
    NAMED(RMQTT_ERR_INTERNAL);
    NAMED(RMQTT_ERR_WOULD_BLOCK);
    NAMED(RMQTT_ERR_NOT_FOUND);
#undef NAMED
    CHECK_EQ(RMQTT_OK, 0);
    CHECK_STR(rmqtt_status_name(1), "unknown status");
    CHECK_STR(rmqtt_status_name(RMQTT_ERR_NOT_FOUND - 1), "unknown status");
    CHECK_STR(rmqtt_status_name(INT32_MIN), "unknown status");
    CHECK_STR(rmqtt_status_name(INT32_MAX), "unknown status");
}

static void views_are_made_from_c(void) {
    CHECK_STR(rmqtt_str("text"), "text");
    CHECK_STR(rmqtt_str(""), "");
    CHECK_ABSENT(rmqtt_str(NULL));

    const char octets[] = {1, 0, 2};
    rmqtt_bytes_t bytes = rmqtt_bytes(octets, sizeof octets);
    CHECK_EQ(bytes.len, 3);
    CHECK((const void *)bytes.ptr == (const void *)octets);
    CHECK_EQ(bytes.ptr[2], 2);
}

static bool all_zero_behind_the_size(const void *value, size_t size) {
    const unsigned char *bytes = (const unsigned char *)value;
    for (size_t i = sizeof(size_t); i < size; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

static void structs_begin_as_defaults(void) {
#define DEFAULTS(name)                                                \
    do {                                                              \
        name##_t value = name##_init();                               \
        CHECK_EQ(value.struct_size, sizeof value);                    \
        CHECK(all_zero_behind_the_size(&value, sizeof value));        \
    } while (0)
    DEFAULTS(rmqtt_fault);
    DEFAULTS(rmqtt_publish);
    DEFAULTS(rmqtt_verdict);
    DEFAULTS(rmqtt_hooks);
    DEFAULTS(rmqtt_listener_info);
    DEFAULTS(rmqtt_stats);
    DEFAULTS(rmqtt_subscribe_options);
    DEFAULTS(rmqtt_query);
    DEFAULTS(rmqtt_client_subscription);
#undef DEFAULTS
    CHECK_EQ(rmqtt_verdict_init().kind, RMQTT_VERDICT_DENY);
}

int main(void) {
    versions_agree();
    features_are_known_by_name();
    statuses_have_names();
    views_are_made_from_c();
    structs_begin_as_defaults();
    return 0;
}
