/*
 * A collector that writes what clients publish to a file, on a disk that may be slow, and loses nothing of QoS 1 and 2.
 *
 * What it teaches: how a consumer that cannot keep up slows down whoever publishes, instead of dropping messages or growing.
 *
 * - The subscription takes messages in batches, keeps them with `rmqtt_message_retain`, and returns at once: the callback
 *   never waits for the disk.
 * - A thread writes them, one `fdatasync` for all that have come meanwhile, and only then acknowledges each with
 *   `rmqtt_delivery_ack`.
 * - So at most RECEIVE_MAXIMUM messages are in its hands and MAX_QUEUED wait behind them. When both are full,
 *   RMQTT_OVERFLOW_BLOCK has publishers of QoS 1 and 2 wait for their acknowledgements. A disk that is full is tried again.
 * - At the end, `rmqtt_broker_stop` hands over what is still in the queue; the file is closed when all of it is written.
 *
 * The arguments are the file, and how many milliseconds the disk takes for a write, to see what that does. Try it:
 *
 *     ingest readings.txt 500
 *     mosquitto_pub -p PORT -q 1 -t plant/1 -l
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <rmqtt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char CONFIG[] = "{\"listeners\":[{\"address\":\"127.0.0.1:0\",\"allow_anonymous\":true}]}";

enum { RECEIVE_MAXIMUM = 500, MAX_QUEUED = 500, RETRY_MS = 200 };

struct link {
    struct link *next;
    const rmqtt_message_t *message;
};

/* The `user_data` of the subscription. */
struct collector {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_t thread;
    struct link *first, **last; /* kept, not written */
    bool closed;
    int fd;
    unsigned slow_ms;
    unsigned long long written;
};

static void pause_ms(unsigned ms) {
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    nanosleep(&time, NULL);
}

/* ---- The subscription ------------------------------------------------------------------------------------------ */

static void on_messages(const rmqtt_message_t *const *messages, size_t count, void *user_data) {
    struct collector *collector = user_data;

    pthread_mutex_lock(&collector->mutex);
    for (size_t i = 0; i < count; i++) {
        struct link *link = malloc(sizeof *link);

        if (link == NULL) {
            abort(); /* a real program would pause the subscription */
        }
        link->next = NULL;
        link->message = rmqtt_message_retain(messages[i]);
        *collector->last = link;
        collector->last = &link->next;
    }
    pthread_cond_signal(&collector->changed);
    pthread_mutex_unlock(&collector->mutex);
}

/* ---- The disk -------------------------------------------------------------------------------------------------- */

static void append_or_retry(struct collector *collector, const char *data, size_t len) {
    while (len > 0) {
        ssize_t done = write(collector->fd, data, len);

        if (done >= 0) {
            data += done;
            len -= (size_t)done;
        } else if (errno != EINTR) {
            fprintf(stderr, "ingest: %s\n", strerror(errno));
            pause_ms(RETRY_MS);
        }
    }
}

/* One line for each message, and one fdatasync for all. */
static void write_all(struct collector *collector, const struct link *first) {
    for (const struct link *link = first; link != NULL; link = link->next) {
        const rmqtt_message_t *message = link->message;

        append_or_retry(collector, message->topic.ptr, message->topic.len);
        append_or_retry(collector, " ", 1);
        append_or_retry(collector, (const char *)message->payload.ptr, message->payload.len);
        append_or_retry(collector, "\n", 1);
    }
    while (fdatasync(collector->fd) != 0) {
        fprintf(stderr, "ingest: %s\n", strerror(errno));
        pause_ms(RETRY_MS);
    }
    pause_ms(collector->slow_ms);
}

static void *collect(void *user_data) {
    struct collector *collector = user_data;

    pthread_mutex_lock(&collector->mutex);
    while (collector->first != NULL || !collector->closed) {
        struct link *first = collector->first;

        if (first == NULL) {
            pthread_cond_wait(&collector->changed, &collector->mutex);
            continue;
        }
        collector->first = NULL;
        collector->last = &collector->first;
        pthread_mutex_unlock(&collector->mutex);
        write_all(collector, first);
        while (first != NULL) {
            struct link *link = first;

            first = link->next;
            if (link->message->delivery != 0) {
                rmqtt_delivery_ack(link->message->delivery); /* nobody waits for it when the broker has stopped */
            }
            rmqtt_message_release(link->message);
            free(link);
            collector->written++;
        }
        pthread_mutex_lock(&collector->mutex);
    }
    pthread_mutex_unlock(&collector->mutex);
    return NULL;
}

static bool collector_open(struct collector *collector, const char *file) {
    collector->last = &collector->first;
    collector->fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (collector->fd < 0) {
        return false;
    }
    pthread_mutex_init(&collector->mutex, NULL);
    pthread_cond_init(&collector->changed, NULL);
    return pthread_create(&collector->thread, NULL, collect, collector) == 0;
}

/* Returns when all is written. */
static void collector_close(struct collector *collector) {
    pthread_mutex_lock(&collector->mutex);
    collector->closed = true;
    pthread_cond_signal(&collector->changed);
    pthread_mutex_unlock(&collector->mutex);
    pthread_join(collector->thread, NULL);
    close(collector->fd);
}

/* ---- The program ----------------------------------------------------------------------------------------------- */

static int failed(const char *action, rmqtt_error_t *error) {
    fprintf(stderr, "ingest: %s: %s\n", action, error != NULL ? rmqtt_error_message(error).ptr : strerror(errno));
    rmqtt_error_free(error);
    return EXIT_FAILURE;
}

static int run(rmqtt_broker_t *broker, struct collector *collector, const sigset_t *signals) {
    rmqtt_subscribe_options_t options = rmqtt_subscribe_options_init();
    rmqtt_listener_info_t listener = rmqtt_listener_info_init();
    rmqtt_subscription_t *subscription = NULL;
    rmqtt_error_t *error = NULL;
    int signal_number;

    if (rmqtt_broker_start(broker, &error) != RMQTT_OK) {
        return failed("start", error);
    }
    options.qos = 2;
    options.manual_ack = true;
    options.receive_maximum = RECEIVE_MAXIMUM;
    options.max_queued_messages = MAX_QUEUED;
    options.overflow = RMQTT_OVERFLOW_BLOCK;
    if (rmqtt_broker_subscribe_batch(broker, rmqtt_str("#"), &options, on_messages, collector, NULL, &subscription,
                                     &error) != RMQTT_OK) {
        return failed("subscribe", error);
    }
    if (rmqtt_broker_listener_info(broker, 0, &listener) == RMQTT_OK) {
        printf("listening on %s\n", listener.address.ptr);
    }
    sigwait(signals, &signal_number);
    rmqtt_broker_stop(broker, 1000);
    rmqtt_subscription_free(subscription);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    struct collector collector = {0};
    rmqtt_broker_t *broker = NULL;
    rmqtt_error_t *error = NULL;
    sigset_t signals;
    int status;

    if (argc < 2 || argc > 3) {
        fputs("usage: ingest FILE [MILLISECONDS]\n", stderr);
        return 2;
    }
    collector.slow_ms = argc == 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    setvbuf(stdout, NULL, _IOLBF, 0);

    /* Blocked before any thread starts, so that only `sigwait` takes them. */
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);

    if (!collector_open(&collector, argv[1])) {
        return failed(argv[1], NULL);
    }
    if (rmqtt_broker_new(rmqtt_str(CONFIG), &broker, &error) != RMQTT_OK) {
        return failed("new", error);
    }
    status = run(broker, &collector, &signals);
    rmqtt_broker_free(broker);
    collector_close(&collector);
    printf("%llu messages written\n", collector.written);
    return status;
}
