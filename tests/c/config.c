/* A configuration is checked as a whole: every fault at once, each with its place. */

#include "test.h"

static rmqtt_error_t *faults_of(const char *config, size_t wanted) {
    rmqtt_error_t *error = NULL;
    CHECK_STATUS(rmqtt_config_validate(rmqtt_str(config), &error), RMQTT_ERR_INVALID_CONFIG);
    CHECK(error != NULL);
    CHECK_EQ(rmqtt_error_status(error), RMQTT_ERR_INVALID_CONFIG);
    CHECK_EQ(rmqtt_error_fault_count(error), wanted);
    return error;
}

static rmqtt_fault_t fault_at(const rmqtt_error_t *error, size_t index) {
    rmqtt_fault_t fault = rmqtt_fault_init();
    CHECK_OK(rmqtt_error_fault(error, index, &fault));
    CHECK_EQ(fault.struct_size, sizeof fault);
    CHECK(fault.message.len > 0);
    return fault;
}

static void valid_configurations_pass(void) {
    /* Stands for an error of an earlier call, which success replaces by NULL. */
    static char stale;
    rmqtt_error_t *error = (rmqtt_error_t *)(void *)&stale;
    CHECK_OK(rmqtt_config_validate(rmqtt_str("{}"), &error));
    CHECK(error == NULL);
    CHECK_OK(rmqtt_config_validate(rmqtt_str(TEST_OPEN), NULL));

    /* The text ends where its length says. */
    rmqtt_str_t config = rmqtt_str("{}}");
    config.len = 2;
    CHECK_OK(rmqtt_config_validate(config, NULL));
}

static void all_faults_come_at_once(void) {
    const char *config =
        "{\"listeners\":[{\"type\":\"tcp\",\"address\":\"nonsense\",\"colour\":1}],\"limits\":{\"max_qos\":7}}";
    rmqtt_error_t *error = faults_of(config, 3);

    const char *const wanted[] = {"/limits/max_qos", "/listeners/0/address", "/listeners/0/colour"};
    for (size_t w = 0; w < 3; w++) {
        size_t found = 0;
        for (size_t i = 0; i < 3; i++) {
            rmqtt_fault_t fault = fault_at(error, i);
            found += fault.pointer.len == strlen(wanted[w]) && strcmp(fault.pointer.ptr, wanted[w]) == 0;
        }
        CHECK_EQ(found, 1);
        /* The message alone, as a program that only logs it would show it, says as much. */
        CHECK_CONTAINS(rmqtt_error_message(error), wanted[w]);
    }
    size_t lines = 1;
    for (const char *c = rmqtt_error_message(error).ptr; *c; c++) {
        lines += *c == '\n';
    }
    CHECK_EQ(lines, 3);

    rmqtt_fault_t beyond = rmqtt_fault_init();
    CHECK_STATUS(rmqtt_error_fault(error, 3, &beyond), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_error_fault(error, SIZE_MAX, &beyond), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK(beyond.pointer.ptr == NULL);
    rmqtt_error_free(error);
}

static void what_is_to_come_is_told_from_what_is_wrong(void) {
    rmqtt_error_t *error = faults_of("{\"persistence\":{}}", 1);
    CHECK_STR(fault_at(error, 0).pointer, "/persistence");
    CHECK_STR(fault_at(error, 0).message, "is not supported yet");
    rmqtt_error_free(error);

    error = faults_of("{\"listeners\":[{\"type\":\"tls\",\"address\":\"127.0.0.1:0\"}]}", 1);
    CHECK_STR(fault_at(error, 0).pointer, "/listeners/0/tls");
    CHECK_STR(fault_at(error, 0).message, "is missing");
    rmqtt_error_free(error);

    error = faults_of("{\"a/b~c\":{}}", 1);
    CHECK_STR(fault_at(error, 0).pointer, "/a~1b~0c");
    CHECK_STR(fault_at(error, 0).message, "is not a known key");
    rmqtt_error_free(error);
}

static void listeners_need_names_of_their_own(void) {
    rmqtt_error_t *error = faults_of("{\"listeners\":[{\"name\":\"a\",\"address\":\"127.0.0.1:0\"},"
                                     "{\"name\":\"a\",\"address\":\"127.0.0.1:0\"}]}",
                                     1);
    CHECK_STR(fault_at(error, 0).pointer, "/listeners/1/name");
    rmqtt_error_free(error);
}

static void what_is_not_json_is_a_fault_of_the_whole(void) {
    const char *const broken[] = {"", "{", "{} {}", "{\"node_id\":1,\"node_id\":2}", "nonsense", "[]", "null", "7"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        rmqtt_error_t *error = faults_of(broken[i], 1);
        CHECK_STR(fault_at(error, 0).pointer, "");
        rmqtt_error_free(error);
    }
}

static void text_that_is_no_text_is_an_argument_fault(void) {
    rmqtt_error_t *error = NULL;
    CHECK_STATUS(rmqtt_config_validate(rmqtt_str("{\"id\":\"\xff\"}"), &error), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_EQ(rmqtt_error_status(error), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_CONTAINS(rmqtt_error_message(error), "UTF-8");
    CHECK_EQ(rmqtt_error_fault_count(error), 0);
    rmqtt_error_free(error);

    rmqtt_str_t nowhere = rmqtt_str(NULL);
    nowhere.len = 5;
    CHECK_STATUS(rmqtt_config_validate(nowhere, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    nowhere.ptr = "{}";
    nowhere.len = SIZE_MAX;
    CHECK_STATUS(rmqtt_config_validate(nowhere, NULL), RMQTT_ERR_INVALID_ARGUMENT);
}

static void a_broker_needs_a_valid_configuration(void) {
    static char stale;
    rmqtt_broker_t *broker = (rmqtt_broker_t *)(void *)&stale;
    rmqtt_error_t *error = NULL;
    CHECK_STATUS(rmqtt_broker_new(rmqtt_str("{\"limits\":{\"max_qos\":7}}"), &broker, &error),
                 RMQTT_ERR_INVALID_CONFIG);
    CHECK(broker == NULL);
    CHECK_EQ(rmqtt_error_fault_count(error), 1);
    rmqtt_error_free(error);
    CHECK_STATUS(rmqtt_broker_new(rmqtt_str("{"), &broker, NULL), RMQTT_ERR_INVALID_CONFIG);
}

static void no_error_has_answers_too(void) {
    CHECK_EQ(rmqtt_error_status(NULL), RMQTT_OK);
    CHECK_STR(rmqtt_error_message(NULL), "");
    CHECK_EQ(rmqtt_error_fault_count(NULL), 0);
    rmqtt_error_free(NULL);
}

int main(void) {
    valid_configurations_pass();
    all_faults_come_at_once();
    what_is_to_come_is_told_from_what_is_wrong();
    listeners_need_names_of_their_own();
    what_is_not_json_is_a_fault_of_the_whole();
    text_that_is_no_text_is_an_argument_fault();
    a_broker_needs_a_valid_configuration();
    no_error_has_answers_too();
    return 0;
}
