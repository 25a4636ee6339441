/* The log goes where the program says, and nowhere else. */

#include "test.h"

/** Begins with the probe, so that `test_drop` serves. */
typedef struct reader {
    test_probe probe;
    pthread_mutex_t lock;
    /** "info target: message" for each line. */
    char text[65536];
    int most_detailed;
    int on_host_thread;
    pthread_t host;
} reader;

static const char *const LEVELS[] = {"", "error", "warn", "info", "debug", "trace"};

static void read_line(const rmqtt_log_line_t *line, void *user_data) {
    reader *reading = (reader *)user_data;
    test_enter(&reading->probe);
    CHECK_EQ(test_get(&reading->probe.running), 1);
    CHECK_EQ(line->struct_size, sizeof *line);
    CHECK(line->level >= RMQTT_LEVEL_ERROR && line->level <= RMQTT_LEVEL_TRACE);
    CHECK(line->target.len > 0 && line->target.ptr[line->target.len] == '\0');
    CHECK(line->message.len == strlen(line->message.ptr));
    pthread_mutex_lock(&reading->lock);
    size_t length = strlen(reading->text);
    snprintf(reading->text + length, sizeof reading->text - length, "%s %s: %s\n", LEVELS[line->level],
             line->target.ptr, line->message.ptr);
    if (line->level > reading->most_detailed) {
        reading->most_detailed = line->level;
    }
    reading->on_host_thread |= pthread_equal(pthread_self(), reading->host);
    pthread_mutex_unlock(&reading->lock);
    test_leave(&reading->probe);
}

static void reader_init(reader *reading) {
    memset(reading, 0, sizeof *reading);
    pthread_mutex_init(&reading->lock, NULL);
    reading->host = pthread_self();
}

/** Whether a line begins with `start` and contains `part`. */
static bool has_line(reader *reading, const char *start, const char *part) {
    bool found = false;
    pthread_mutex_lock(&reading->lock);
    for (const char *line = reading->text; *line && !found;) {
        const char *end = strchr(line, '\n');
        const char *at = strstr(line, part);
        if (!end) {
            break;
        }
        found = strncmp(line, start, strlen(start)) == 0 && at && at < end;
        line = end + 1;
    }
    pthread_mutex_unlock(&reading->lock);
    return found;
}

/** A broker from start to stop, with a client that is let in and one that is not. */
static void bustle(void) {
    rmqtt_broker_t *broker =
        test_broker("{\"listeners\":[{\"name\":\"door\",\"address\":\"127.0.0.1:0\",\"allow_anonymous\":true},"
                    "{\"address\":\"127.0.0.1:0\"}]}");
    test_start(broker);
    test_connect connect = test_connect_init("denied");
    test_client client = test_client_open(test_port(broker, 0), "c");
    CHECK_EQ(test_client_try(test_port(broker, 1), &connect), 5);
    test_client_publish(client, "t", "x", 1);
    /* What is not MQTT at all. */
    int fd = test_dial(test_port(broker, 0));
    test_send(fd, "GET / HTTP/1.1\r\n\r\n", 18);
    close(fd);
    test_client_disconnect(client);
    CHECK_OK(rmqtt_broker_stop(broker, 1000));
    rmqtt_broker_free(broker);
}

static void lines_are_delivered(void) {
    reader reading;
    reader_init(&reading);
    CHECK_OK(rmqtt_log_set(RMQTT_LEVEL_INFO, read_line, &reading, test_drop));
    bustle();
    WAIT_UNTIL(has_line(&reading, "info ", "listening"));
    WAIT_UNTIL(has_line(&reading, "info ", "stopped"));
    CHECK(has_line(&reading, "info ", "door"));
    CHECK_EQ(test_get(&reading.probe.drops), 0);

    /* Turning it off ends it. */
    CHECK_OK(rmqtt_log_set(RMQTT_LEVEL_INFO, NULL, NULL, NULL));
    CHECK_DROPPED(&reading.probe);
    CHECK(reading.most_detailed <= RMQTT_LEVEL_INFO);
    CHECK_EQ(reading.on_host_thread, 0);
    int lines = test_get(&reading.probe.calls);
    bustle();
    CHECK_EQ(test_get(&reading.probe.calls), lines);
    CHECK_DROPPED(&reading.probe);
}

static void the_level_is_a_limit(void) {
    reader reading;
    reader_init(&reading);
    CHECK_OK(rmqtt_log_set(RMQTT_LEVEL_ERROR, read_line, &reading, test_drop));
    bustle();
    CHECK_OK(rmqtt_log_set(RMQTT_LEVEL_ERROR, NULL, NULL, NULL));
    CHECK(reading.most_detailed <= RMQTT_LEVEL_ERROR);
    CHECK(!has_line(&reading, "info ", "listening"));

    reader_init(&reading);
    CHECK_OK(rmqtt_log_set(RMQTT_LEVEL_DEBUG, read_line, &reading, test_drop));
    bustle();
    CHECK_OK(rmqtt_log_set(RMQTT_LEVEL_DEBUG, NULL, NULL, NULL));
    CHECK_EQ(reading.most_detailed, RMQTT_LEVEL_DEBUG);
}

static void one_reader_follows_another(void) {
    reader one, two;
    reader_init(&one);
    reader_init(&two);
    CHECK_OK(rmqtt_log_set(RMQTT_LEVEL_INFO, read_line, &one, test_drop));
    rmqtt_broker_t *broker = test_broker(TEST_OPEN);
    test_start(broker);
    WAIT_UNTIL(has_line(&one, "info ", "listening"));
    CHECK_OK(rmqtt_log_set(RMQTT_LEVEL_INFO, read_line, &two, test_drop));
    CHECK_DROPPED(&one.probe);
    CHECK_OK(rmqtt_broker_stop(broker, 0));
    WAIT_UNTIL(has_line(&two, "info ", "stopped"));
    CHECK(!has_line(&one, "info ", "stopped"));

    /* A call that fails leaves the reader in place. */
    CHECK_STATUS(rmqtt_log_set(99, read_line, NULL, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_EQ(test_get(&two.probe.drops), 0);
    test_start(broker);
    WAIT_UNTIL(has_line(&two, "info ", "listening"));
    rmqtt_broker_free(broker);
    CHECK_OK(rmqtt_log_set(RMQTT_LEVEL_INFO, NULL, NULL, NULL));
    CHECK_DROPPED(&two.probe);
}

/** Turns the log off from inside of it. */
static void read_and_end(const rmqtt_log_line_t *line, void *user_data) {
    (void)line;
    test_enter((test_probe *)user_data);
    CHECK_OK(rmqtt_log_set(RMQTT_LEVEL_INFO, NULL, NULL, NULL));
    test_leave((test_probe *)user_data);
}

static void a_reader_can_end_itself(void) {
    test_probe probe;
    memset(&probe, 0, sizeof probe);
    CHECK_OK(rmqtt_log_set(RMQTT_LEVEL_INFO, read_and_end, &probe, test_drop));
    bustle();
    WAIT_UNTIL(test_get(&probe.drops) == 1);
    CHECK(test_get(&probe.calls) >= 1);
    CHECK_EQ(test_get(&probe.violations), 0);
}

static void nothing_is_written_to_the_terminal(void) {
    char path[] = "/tmp/rmqtt-log-XXXXXX";
    int out = dup(1);
    int err = dup(2);
    int file = mkstemp(path);
    CHECK(out >= 0 && err >= 0 && file >= 0);
    unlink(path);
    test_report = err;
    fflush(stdout);
    CHECK_EQ(dup2(file, 1), 1);
    CHECK_EQ(dup2(file, 2), 2);
    bustle();
    CHECK(rmqtt_config_validate(rmqtt_str("{"), NULL) != RMQTT_OK);
    CHECK_EQ(lseek(file, 0, SEEK_END), 0);
    CHECK_EQ(dup2(out, 1), 1);
    CHECK_EQ(dup2(err, 2), 2);
    test_report = 2;
    close(out);
    close(err);
    close(file);
}

int main(void) {
    /* First, as long as no log has ever been set. */
    nothing_is_written_to_the_terminal();
    lines_are_delivered();
    the_level_is_a_limit();
    one_reader_follows_another();
    a_reader_can_end_itself();
    nothing_is_written_to_the_terminal();
    return 0;
}
