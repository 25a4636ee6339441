/* Arguments that cannot be are refused, and nothing else happens. */

#include "test.h"

static void ignore_message(const rmqtt_message_t *message, void *user_data) {
    (void)message;
    (void)user_data;
}

static void ignore_line(const rmqtt_log_line_t *line, void *user_data) {
    (void)line;
    (void)user_data;
}

/* ---- NULL ---- */

static void null_is_refused_or_harmless(rmqtt_broker_t *broker) {
    rmqtt_publish_t message = rmqtt_publish_init();
    rmqtt_listener_info_t info = rmqtt_listener_info_init();
    rmqtt_stats_t stats = rmqtt_stats_init();
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    rmqtt_fault_t fault = rmqtt_fault_init();
    rmqtt_error_t *error = NULL;
    message.topic = rmqtt_str("t");

    CHECK_STATUS(rmqtt_broker_new(rmqtt_str("{}"), NULL, &error), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_EQ(rmqtt_error_status(error), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK(rmqtt_error_message(error).len > 0);
    rmqtt_error_free(error);

    CHECK_STATUS(rmqtt_broker_set_hooks(NULL, &hooks, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_broker_set_hooks(NULL, NULL, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_OK(rmqtt_broker_set_hooks(broker, NULL, NULL));
    CHECK_STATUS(rmqtt_broker_start(NULL, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_broker_stop(NULL, 0), RMQTT_ERR_INVALID_ARGUMENT);
    rmqtt_broker_free(NULL);

    CHECK_ABSENT(rmqtt_broker_id(NULL));
    CHECK(!rmqtt_broker_running(NULL));
    CHECK_EQ(rmqtt_broker_connected_clients(NULL), 0);
    CHECK_EQ(rmqtt_broker_listener_count(NULL), 0);
    CHECK_STATUS(rmqtt_broker_listener_info(NULL, 0, &info), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_broker_listener_info(broker, 0, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_broker_listener_info(broker, 1, &info), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_broker_listener_info(broker, SIZE_MAX, &info), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK(info.name.ptr == NULL);
    CHECK_STATUS(rmqtt_broker_stats(NULL, &stats), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_broker_stats(broker, NULL), RMQTT_ERR_INVALID_ARGUMENT);

    CHECK_STATUS(rmqtt_broker_publish(NULL, &message, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_broker_publish(broker, NULL, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_OK(rmqtt_broker_publish(broker, &message, NULL));

    CHECK_STATUS(rmqtt_error_fault(NULL, 0, &fault), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_config_validate(rmqtt_str("{"), &error), RMQTT_ERR_INVALID_CONFIG);
    CHECK_STATUS(rmqtt_error_fault(error, 0, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    rmqtt_error_free(error);

    CHECK_STATUS(rmqtt_decision_complete(0, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    rmqtt_subscription_free(NULL);
}

/* ---- struct_size ---- */

typedef struct sized {
    const char *name;
    size_t size;
    /** What it was in the first version that had it. */
    size_t first_size;
    /** What the call answers if the size is in order. */
    rmqtt_status_t valid;
    rmqtt_status_t (*call)(void *value, void *context);
    void *context;
    /** Whether the library fills the struct instead of reading it. */
    bool out;
} sized;

/*
 * Calls with a struct that says it has `size` bytes, in memory of so many bytes that a memory checker sees every byte
 * read or written beyond. Answers what became of the struct in `after`, if that is wanted.
 */
static rmqtt_status_t call_with_size(const sized *test, const void *value, size_t size, size_t room, int tail,
                                     unsigned char **after) {
    unsigned char *memory = (unsigned char *)malloc(room);
    CHECK(memory != NULL);
    memset(memory, 0, room);
    memcpy(memory, value, room < test->size ? room : test->size);
    if (room > test->size) {
        memory[room - 1] = (unsigned char)tail;
    }
    memcpy(memory, &size, sizeof size);
    rmqtt_status_t status = test->call(memory, test->context);
    if (after) {
        *after = memory;
    } else {
        free(memory);
    }
    return status;
}

#define CHECK_SIZED(test, given, wanted)                                                               \
    do {                                                                                               \
        rmqtt_status_t sized_ = (given);                                                               \
        if (sized_ != (wanted)) {                                                                      \
            FAIL("%s: %s answers %s", (test)->name, #given, rmqtt_status_name(sized_).ptr);            \
        }                                                                                              \
    } while (0)

static void sizes_are_checked(const sized *test, const void *value) {
    const size_t too_small[] = {0, 1, 7, 8, test->first_size - 1};
    for (size_t i = 0; i < sizeof too_small / sizeof *too_small; i++) {
        size_t room = too_small[i] < sizeof(size_t) ? sizeof(size_t) : too_small[i];
        CHECK_SIZED(test, call_with_size(test, value, too_small[i], room, 0, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    }
    const size_t too_large[] = {65537, (size_t)1 << 40, SIZE_MAX};
    for (size_t i = 0; i < sizeof too_large / sizeof *too_large; i++) {
        CHECK_SIZED(test, call_with_size(test, value, too_large[i], test->size, 0, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    }
    CHECK_SIZED(test, call_with_size(test, value, test->size, test->size, 0, NULL), test->valid);

    /* What a program says that was compiled with an earlier header; a memory checker sees what is behind it. */
    for (size_t size = test->first_size; size < test->size; size += sizeof(uint64_t)) {
        unsigned char *after = NULL;
        size_t filled = 0;
        CHECK_SIZED(test, call_with_size(test, value, size, size, 0, &after), test->valid);
        memcpy(&filled, after, sizeof filled);
        CHECK_EQ(filled, size);
        free(after);
    }

    /* What a program writes that was compiled with a later header. */
    size_t later = test->size + 16;
    if (test->out) {
        unsigned char *after = NULL;
        size_t filled = 0;
        CHECK_SIZED(test, call_with_size(test, value, later, later, 0x5a, &after), test->valid);
        memcpy(&filled, after, sizeof filled);
        CHECK_EQ(filled, test->size);
        CHECK_EQ(after[later - 1], 0x5a);
        free(after);
    } else {
        CHECK_SIZED(test, call_with_size(test, value, later, later, 0, NULL), test->valid);
        CHECK_SIZED(test, call_with_size(test, value, later, later, 1, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    }
}

static rmqtt_status_t call_publish(void *value, void *context) {
    return rmqtt_broker_publish((rmqtt_broker_t *)context, (const rmqtt_publish_t *)value, NULL);
}

static rmqtt_status_t call_subscribe(void *value, void *context) {
    rmqtt_subscription_t *subscription = NULL;
    rmqtt_status_t status =
        rmqtt_broker_subscribe((rmqtt_broker_t *)context, rmqtt_str("t"), (const rmqtt_subscribe_options_t *)value,
                               ignore_message, NULL, NULL, &subscription, NULL);
    CHECK((subscription != NULL) == (status == RMQTT_OK));
    rmqtt_subscription_free(subscription);
    return status;
}

static rmqtt_status_t call_clients(void *value, void *context) {
    rmqtt_string_t *json = NULL;
    rmqtt_status_t status =
        rmqtt_broker_clients((const rmqtt_broker_t *)context, (const rmqtt_query_t *)value, &json, NULL);
    rmqtt_string_free(json);
    return status;
}

static rmqtt_status_t call_subscribe_client(void *value, void *context) {
    return rmqtt_broker_subscribe_client((rmqtt_broker_t *)context, rmqtt_str("nobody"), rmqtt_str("t"),
                                         (const rmqtt_client_subscription_t *)value, NULL);
}

static rmqtt_status_t call_set_hooks(void *value, void *context) {
    return rmqtt_broker_set_hooks((rmqtt_broker_t *)context, (const rmqtt_hooks_t *)value, NULL);
}

static rmqtt_status_t call_complete(void *value, void *context) {
    (void)context;
    return rmqtt_decision_complete(0, (const rmqtt_verdict_t *)value);
}

static rmqtt_status_t call_fault(void *value, void *context) {
    return rmqtt_error_fault((const rmqtt_error_t *)context, 0, (rmqtt_fault_t *)value);
}

static rmqtt_status_t call_listener_info(void *value, void *context) {
    return rmqtt_broker_listener_info((const rmqtt_broker_t *)context, 0, (rmqtt_listener_info_t *)value);
}

static rmqtt_status_t call_stats(void *value, void *context) {
    return rmqtt_broker_stats((const rmqtt_broker_t *)context, (rmqtt_stats_t *)value);
}

static rmqtt_status_t call_hook_stats(void *value, void *context) {
    return rmqtt_broker_hook_stats((const rmqtt_broker_t *)context, RMQTT_HOOK_CONNECTED,
                                   (rmqtt_hook_stats_t *)value);
}

static sized sized_test(const char *name, size_t size, rmqtt_status_t (*call)(void *, void *), void *context,
                        bool out) {
    sized test;
    test.name = name;
    test.size = size;
    test.first_size = size;
    test.valid = RMQTT_OK;
    test.call = call;
    test.context = context;
    test.out = out;
    return test;
}

static void sizes_that_cannot_be_are_refused(rmqtt_broker_t *broker) {
    rmqtt_publish_t message = rmqtt_publish_init();
    message.topic = rmqtt_str("t");
    sized test = sized_test("rmqtt_publish_t", sizeof message, call_publish, broker, false);
    test.first_size = offsetof(rmqtt_publish_t, properties);
    sizes_are_checked(&test, &message);

    rmqtt_subscribe_options_t options = rmqtt_subscribe_options_init();
    test = sized_test("rmqtt_subscribe_options_t", sizeof options, call_subscribe, broker, false);
    test.first_size = offsetof(rmqtt_subscribe_options_t, max_queued_bytes);
    sizes_are_checked(&test, &options);

    rmqtt_query_t query = rmqtt_query_init();
    test = sized_test("rmqtt_query_t", sizeof query, call_clients, broker, false);
    sizes_are_checked(&test, &query);

    rmqtt_client_subscription_t subscription = rmqtt_client_subscription_init();
    test = sized_test("rmqtt_client_subscription_t", sizeof subscription, call_subscribe_client, broker, false);
    test.valid = RMQTT_ERR_NOT_FOUND;
    sizes_are_checked(&test, &subscription);

    rmqtt_verdict_t verdict = rmqtt_verdict_init();
    test = sized_test("rmqtt_verdict_t", sizeof verdict, call_complete, NULL, false);
    test.first_size = offsetof(rmqtt_verdict_t, topic);
    test.valid = RMQTT_ERR_EXPIRED;
    sizes_are_checked(&test, &verdict);

    test_probe probe;
    memset(&probe, 0, sizeof probe);
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.user_data = &probe;
    hooks.drop = test_drop;
    test = sized_test("rmqtt_hooks_t", sizeof hooks, call_set_hooks, broker, false);
    test.first_size = offsetof(rmqtt_hooks_t, pre_connect);
    sizes_are_checked(&test, &hooks);
    CHECK_OK(rmqtt_broker_set_hooks(broker, NULL, NULL));
    /* One drop for each table but the four that end before `drop`: 47, three huge ones, two valid ones, the tail, and
     * those of earlier headers. */
    CHECK_EQ(test_get(&probe.drops), 7 + (int)((test.size - test.first_size) / sizeof(uint64_t)));

    rmqtt_error_t *error = NULL;
    CHECK_STATUS(rmqtt_config_validate(rmqtt_str("{"), &error), RMQTT_ERR_INVALID_CONFIG);
    rmqtt_fault_t fault = rmqtt_fault_init();
    test = sized_test("rmqtt_fault_t", sizeof fault, call_fault, error, true);
    sizes_are_checked(&test, &fault);
    rmqtt_error_free(error);

    rmqtt_listener_info_t info = rmqtt_listener_info_init();
    test = sized_test("rmqtt_listener_info_t", sizeof info, call_listener_info, broker, true);
    sizes_are_checked(&test, &info);

    rmqtt_stats_t stats = rmqtt_stats_init();
    test = sized_test("rmqtt_stats_t", sizeof stats, call_stats, broker, true);
    test.first_size = offsetof(rmqtt_stats_t, messages_dropped_queue_full);
    sizes_are_checked(&test, &stats);

    rmqtt_hook_stats_t hook_stats = rmqtt_hook_stats_init();
    test = sized_test("rmqtt_hook_stats_t", sizeof hook_stats, call_hook_stats, broker, true);
    sizes_are_checked(&test, &hook_stats);
}

/* ---- values ---- */

/** `count` levels: "a/a/a". */
static const char *levels(size_t count) {
    static char text[512];
    CHECK(2 * count < sizeof text);
    for (size_t i = 0; i < count; i++) {
        text[2 * i] = 'a';
        text[2 * i + 1] = '/';
    }
    text[2 * count - 1] = '\0';
    return text;
}

static rmqtt_status_t publish_error(rmqtt_broker_t *broker, const rmqtt_publish_t *message) {
    rmqtt_error_t *error = NULL;
    uint64_t before = test_stats(broker).messages_published;
    rmqtt_status_t status = rmqtt_broker_publish(broker, message, &error);
    CHECK_EQ(rmqtt_error_status(error), status);
    CHECK((rmqtt_error_message(error).len > 0) == (status != RMQTT_OK));
    CHECK_EQ(test_stats(broker).messages_published - before, status == RMQTT_OK ? 1 : 0);
    rmqtt_error_free(error);
    return status;
}

static void messages_out_of_range_are_refused(rmqtt_broker_t *broker) {
    rmqtt_publish_t message = rmqtt_publish_init();
    CHECK_STATUS(publish_error(broker, &message), RMQTT_ERR_INVALID_ARGUMENT);

    const char *const bad_topics[] = {"", "a/+", "#", "a/#/b", "a+b", "\xff", "\xed\xa0\x80"};
    for (size_t i = 0; i < sizeof bad_topics / sizeof *bad_topics; i++) {
        message.topic = rmqtt_str(bad_topics[i]);
        CHECK_STATUS(publish_error(broker, &message), RMQTT_ERR_INVALID_ARGUMENT);
    }
    message.topic.ptr = "a\0b";
    message.topic.len = 3;
    CHECK_STATUS(publish_error(broker, &message), RMQTT_ERR_INVALID_ARGUMENT);
    message.topic.ptr = NULL;
    CHECK_STATUS(publish_error(broker, &message), RMQTT_ERR_INVALID_ARGUMENT);

    static char longest[65536];
    memset(longest, 'a', sizeof longest);
    message.topic.ptr = longest;
    message.topic.len = sizeof longest;
    CHECK_STATUS(publish_error(broker, &message), RMQTT_ERR_INVALID_ARGUMENT);
    message.topic.len = sizeof longest - 1;
    CHECK_OK(publish_error(broker, &message));

    message.topic = rmqtt_str(levels(65));
    CHECK_STATUS(publish_error(broker, &message), RMQTT_ERR_INVALID_ARGUMENT);
    message.topic = rmqtt_str(levels(64));
    CHECK_OK(publish_error(broker, &message));

    message.topic = rmqtt_str("t");
    message.qos = 3;
    CHECK_STATUS(publish_error(broker, &message), RMQTT_ERR_INVALID_ARGUMENT);
    message.qos = 255;
    CHECK_STATUS(publish_error(broker, &message), RMQTT_ERR_INVALID_ARGUMENT);
    message.qos = 2;
    CHECK_OK(publish_error(broker, &message));

    message.payload.len = 1;
    CHECK_STATUS(publish_error(broker, &message), RMQTT_ERR_INVALID_ARGUMENT);
    message.payload = rmqtt_bytes("", 0);
    for (size_t i = 0; i < sizeof message.reserved; i++) {
        message.reserved[i] = 1;
        CHECK_STATUS(publish_error(broker, &message), RMQTT_ERR_INVALID_ARGUMENT);
        message.reserved[i] = 0;
    }
    CHECK_OK(publish_error(broker, &message));
}

static void limits_of_the_configuration_hold(void) {
    rmqtt_broker_t *broker =
        test_broker("{\"retain\":{\"enabled\":false},\"limits\":{\"max_qos\":1,\"max_topic_levels\":3}}");
    test_start(broker);
    rmqtt_publish_t message = rmqtt_publish_init();
    message.topic = rmqtt_str("t");
    message.retain = true;
    CHECK_STATUS(publish_error(broker, &message), RMQTT_ERR_INVALID_ARGUMENT);
    message.retain = false;
    message.qos = 2;
    CHECK_STATUS(publish_error(broker, &message), RMQTT_ERR_INVALID_ARGUMENT);
    message.qos = 1;
    CHECK_OK(publish_error(broker, &message));
    message.topic = rmqtt_str("a/b/c/d");
    CHECK_STATUS(publish_error(broker, &message), RMQTT_ERR_INVALID_ARGUMENT);
    message.topic = rmqtt_str("a/b/c");
    CHECK_OK(publish_error(broker, &message));
    rmqtt_broker_free(broker);
}

/** A subscription that must fail: nothing comes out of it but the drop of its user data. */
static void subscribe_fails(rmqtt_broker_t *broker, rmqtt_str_t filter, const rmqtt_subscribe_options_t *options,
                            rmqtt_message_fn on_message, rmqtt_status_t wanted) {
    static char stale;
    test_probe probe;
    rmqtt_subscription_t *subscription = (rmqtt_subscription_t *)(void *)&stale;
    rmqtt_error_t *error = NULL;
    memset(&probe, 0, sizeof probe);
    CHECK_STATUS(
        rmqtt_broker_subscribe(broker, filter, options, on_message, &probe, test_drop, &subscription, &error), wanted);
    CHECK_EQ(rmqtt_error_status(error), wanted);
    CHECK(rmqtt_error_message(error).len > 0);
    CHECK_DROPPED(&probe);
    /* Without a broker there is nobody to write to it. */
    CHECK(broker == NULL || subscription == NULL);
    rmqtt_error_free(error);
}

static void subscriptions_out_of_range_are_refused(rmqtt_broker_t *broker) {
    const rmqtt_status_t refused = RMQTT_ERR_INVALID_ARGUMENT;
    const char *const bad_filters[] = {"",  "a+",        "+a",      "a/#/b",     "#a",      "a/b#",
                                       "\xff", "$share/g", "$share/", "$share//t", "$share/g/", "$share/+/t"};
    for (size_t i = 0; i < sizeof bad_filters / sizeof *bad_filters; i++) {
        subscribe_fails(broker, rmqtt_str(bad_filters[i]), NULL, ignore_message, refused);
    }
    subscribe_fails(broker, rmqtt_str(NULL), NULL, ignore_message, refused);
    subscribe_fails(broker, rmqtt_str(levels(65)), NULL, ignore_message, refused);
    subscribe_fails(broker, rmqtt_str("t"), NULL, NULL, refused);
    subscribe_fails(NULL, rmqtt_str("t"), NULL, ignore_message, refused);

    test_probe probe;
    memset(&probe, 0, sizeof probe);
    CHECK_STATUS(
        rmqtt_broker_subscribe(broker, rmqtt_str("t"), NULL, ignore_message, &probe, test_drop, NULL, NULL), refused);
    CHECK_DROPPED(&probe);

    rmqtt_subscribe_options_t options = rmqtt_subscribe_options_init();
    options.retain_handling = 3;
    subscribe_fails(broker, rmqtt_str("t"), &options, ignore_message, refused);
    options = rmqtt_subscribe_options_init();
    options.qos = 3;
    subscribe_fails(broker, rmqtt_str("t"), &options, ignore_message, refused);
    options = rmqtt_subscribe_options_init();
    options.overflow = 3;
    subscribe_fails(broker, rmqtt_str("t"), &options, ignore_message, refused);
    options = rmqtt_subscribe_options_init();
    options.receive_maximum = 65536;
    subscribe_fails(broker, rmqtt_str("t"), &options, ignore_message, refused);
    options = rmqtt_subscribe_options_init();
    options.max_batch = 65537;
    subscribe_fails(broker, rmqtt_str("t"), &options, ignore_message, refused);
    options = rmqtt_subscribe_options_init();
    options.no_local = true;
    subscribe_fails(broker, rmqtt_str("$share/g/t"), &options, ignore_message, refused);
    options = rmqtt_subscribe_options_init();
    options.reserved[1] = 1;
    subscribe_fails(broker, rmqtt_str("t"), &options, ignore_message, refused);
    options = rmqtt_subscribe_options_init();
    options.struct_size = 1;
    subscribe_fails(broker, rmqtt_str("t"), &options, ignore_message, refused);
    WAIT_UNTIL(test_stats(broker).in_process_subscriptions == 0);
}

static void verdicts_out_of_range_are_refused(void) {
    rmqtt_verdict_t verdict = rmqtt_verdict_init();
    verdict.reserved[2] = 1;
    CHECK_STATUS(rmqtt_decision_complete(0, &verdict), RMQTT_ERR_INVALID_ARGUMENT);
}

static void user_data_of_refused_calls_is_dropped_once(rmqtt_broker_t *broker) {
    test_probe probe;
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.user_data = &probe;
    hooks.drop = test_drop;

    memset(&probe, 0, sizeof probe);
    CHECK_STATUS(rmqtt_broker_set_hooks(NULL, &hooks, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_DROPPED(&probe);

    memset(&probe, 0, sizeof probe);
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
    CHECK_EQ(test_get(&probe.drops), 0);
    CHECK_OK(rmqtt_broker_set_hooks(broker, NULL, NULL));
    CHECK_DROPPED(&probe);

    const rmqtt_level_t no_levels[] = {0, -1, 6, INT32_MAX};
    for (size_t i = 0; i < sizeof no_levels / sizeof *no_levels; i++) {
        memset(&probe, 0, sizeof probe);
        CHECK_STATUS(rmqtt_log_set(no_levels[i], ignore_line, &probe, test_drop), RMQTT_ERR_INVALID_ARGUMENT);
        CHECK_DROPPED(&probe);
    }
    memset(&probe, 0, sizeof probe);
    CHECK_OK(rmqtt_log_set(RMQTT_LEVEL_INFO, NULL, &probe, test_drop));
    CHECK_DROPPED(&probe);
}

static void messages_need_a_broker_that_runs(void) {
    rmqtt_broker_t *broker = test_broker("{}");
    rmqtt_publish_t message = rmqtt_publish_init();
    message.topic = rmqtt_str("t");
    for (int round = 0; round < 2; round++) {
        CHECK_STATUS(publish_error(broker, &message), RMQTT_ERR_INVALID_STATE);
        subscribe_fails(broker, rmqtt_str("t"), NULL, ignore_message, RMQTT_ERR_INVALID_STATE);
        test_start(broker);
        CHECK_OK(publish_error(broker, &message));
        CHECK_OK(rmqtt_broker_stop(broker, 0));
    }
    rmqtt_broker_free(broker);
}

int main(void) {
    rmqtt_broker_t *broker = test_broker(TEST_OPEN);
    test_start(broker);
    null_is_refused_or_harmless(broker);
    sizes_that_cannot_be_are_refused(broker);
    messages_out_of_range_are_refused(broker);
    subscriptions_out_of_range_are_refused(broker);
    verdicts_out_of_range_are_refused();
    user_data_of_refused_calls_is_dropped_once(broker);
    rmqtt_broker_free(broker);

    limits_of_the_configuration_hold();
    messages_need_a_broker_that_runs();
    return 0;
}
