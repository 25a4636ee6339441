/* Signals belong to the host program: no thread of the library takes one, and none is raised. */

#include "test.h"

#include <sys/syscall.h>

static int taken_by;

static void take(int number) {
    (void)number;
    __atomic_store_n(&taken_by, (int)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
}

/** Whether a thread of this process blocks a signal; false if the thread is gone. */
static bool read_blocked(const char *thread, uint64_t *blocked) {
    char path[64];
    char line[256];
    bool found = false;
    snprintf(path, sizeof path, "/proc/self/task/%.20s/status", thread);
    FILE *status = fopen(path, "r");
    if (!status) {
        return false;
    }
    while (!found && fgets(line, sizeof line, status)) {
        if (strncmp(line, "SigBlk:", 7) == 0) {
            *blocked = strtoull(line + 7, NULL, 16);
            found = true;
        }
    }
    fclose(status);
    return found;
}

static bool has_signal(uint64_t set, int number) {
    return (set >> (number - 1) & 1) != 0;
}

/** Checks every thread but this one; answers how many there are. */
static int check_threads_of_the_library(void) {
    int count = 0;
    DIR *directory = opendir("/proc/self/task");
    CHECK(directory != NULL);
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        uint64_t blocked = 0;
        if (entry->d_name[0] == '.' || atoi(entry->d_name) == getpid() || !read_blocked(entry->d_name, &blocked)) {
            continue;
        }
        count++;
        const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2, SIGCHLD, SIGALRM, SIGPROF};
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
            if (!has_signal(blocked, numbers[i])) {
                FAIL("thread %s does not block signal %d", entry->d_name, numbers[i]);
            }
        }
    }
    closedir(directory);
    return count;
}

static void ignore_line(const rmqtt_log_line_t *line, void *user_data) {
    (void)line;
    (void)user_data;
}

static void ignore_message(const rmqtt_message_t *message, void *user_data) {
    (void)message;
    (void)user_data;
}

static void threads_of_the_library_block_signals(void) {
    sigset_t before, after;
    rmqtt_subscription_t *subscription = NULL;
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &before), 0);
    CHECK_OK(rmqtt_log_set(RMQTT_LEVEL_INFO, ignore_line, NULL, NULL));
    rmqtt_broker_t *broker = test_broker("{\"listeners\":[{\"address\":\"127.0.0.1:0\",\"allow_anonymous\":true}],"
                                         "\"runtime\":{\"worker_threads\":2},\"callbacks\":{\"threads\":3}}");
    test_start(broker);
    /* Threads may be made later, too, and by calls from here. */
    CHECK_OK(rmqtt_broker_subscribe(broker, rmqtt_str("#"), NULL, ignore_message, NULL, NULL, &subscription, NULL));
    test_client client = test_client_open(test_port(broker, 0), "c");
    test_client_publish(client, "t", "x", 1);
    test_publish(broker, "t", "x");
    /* Two workers, three for callbacks, one for the log. */
    CHECK(check_threads_of_the_library() >= 6);

    /* The host's own mask is as it was. */
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &after), 0);
    for (int number = 1; number < 32; number++) {
        CHECK_EQ(sigismember(&before, number), sigismember(&after, number));
    }

    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = take;
    CHECK_EQ(sigaction(SIGTERM, &action, NULL), 0);
    for (int i = 0; i < 20; i++) {
        test_set(&taken_by, 0);
        CHECK_EQ(kill(getpid(), SIGTERM), 0);
        WAIT_UNTIL(test_get(&taken_by) != 0);
        CHECK_EQ(test_get(&taken_by), getpid());
    }

    /* So do programs that wait for signals instead of handling them. */
    sigset_t waited;
    int number = 0;
    sigemptyset(&waited);
    sigaddset(&waited, SIGTERM);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &waited, NULL), 0);
    test_set(&taken_by, 0);
    CHECK_EQ(kill(getpid(), SIGTERM), 0);
    CHECK_EQ(sigwait(&waited, &number), 0);
    CHECK_EQ(number, SIGTERM);
    CHECK_EQ(test_get(&taken_by), 0);
    CHECK_EQ(pthread_sigmask(SIG_UNBLOCK, &waited, NULL), 0);

    test_client_disconnect(client);
    rmqtt_subscription_free(subscription);
    rmqtt_broker_free(broker);
    CHECK_OK(rmqtt_log_set(RMQTT_LEVEL_INFO, NULL, NULL, NULL));
}

static void the_library_installs_no_handlers(void) {
    const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2, SIGCHLD, SIGALRM};
    struct sigaction action;
    signal(SIGTERM, SIG_DFL);
    rmqtt_broker_t *broker = test_broker(TEST_OPEN);
    test_start(broker);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        CHECK_EQ(sigaction(numbers[i], NULL, &action), 0);
        CHECK(action.sa_handler == SIG_DFL);
    }
    rmqtt_broker_free(broker);
}

/** With the default action, one SIGPIPE ends this process. */
static void clients_that_vanish_do_no_harm(void) {
    enum { CLIENTS = 4, MESSAGES = 8, SIZE = 256 * 1024 };
    static char payload[SIZE];
    signal(SIGPIPE, SIG_DFL);
    memset(payload, 'x', sizeof payload);
    rmqtt_broker_t *broker = test_broker(TEST_OPEN);
    test_start(broker);
    rmqtt_publish_t message = rmqtt_publish_init();
    message.topic = rmqtt_str("big");
    message.payload = rmqtt_bytes(payload, sizeof payload);
    message.wait_ms = TEST_DEADLINE_MS; /* until the crowded are left to their policy */

    for (int round = 0; round < test_scaled(20, 3); round++) {
        test_client clients[CLIENTS];
        for (int i = 0; i < CLIENTS; i++) {
            char client_id[32];
            snprintf(client_id, sizeof client_id, "vanishing-%d-%d", round, i);
            clients[i] = test_client_open(test_port(broker, 0), client_id);
            test_client_subscribe(clients[i], "big", i % 2);
        }
        for (int i = 0; i < MESSAGES; i++) {
            CHECK_OK(rmqtt_broker_publish(broker, &message, NULL));
            if (i == MESSAGES / 2) {
                for (int c = 0; c < CLIENTS; c++) {
                    /* Half of them by a reset. */
                    struct linger at_once;
                    at_once.l_onoff = c < CLIENTS / 2;
                    at_once.l_linger = 0;
                    CHECK_EQ(setsockopt(clients[c].fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
                    close(clients[c].fd);
                }
            }
        }
        WAIT_UNTIL(rmqtt_broker_connected_clients(broker) == 0);
    }

    test_client client = test_client_open(test_port(broker, 0), "survivor");
    test_client_publish(client, "t", "x", 1);
    test_client_disconnect(client);
    rmqtt_broker_free(broker);
}

int main(void) {
    threads_of_the_library_block_signals();
    the_library_installs_no_handlers();
    clients_that_vanish_do_no_harm();
    return 0;
}
