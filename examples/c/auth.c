/*
 * A broker that asks a slow directory who may connect.
 *
 * What it teaches: decisions that are answered later. The `authenticate` hook takes a ticket, puts the question into a
 * queue and returns at once, so the broker's callback threads stay free. A thread of this program looks the user up and
 * completes the decision. Nothing waits for ever: the queue is bounded, the library denies what is not answered within
 * `callbacks.timeout_ms`, and a stop denies what is still open.
 *
 * alice, whose password is `secret`, is let in; everyone else is told why not. Try it:
 *
 *     mosquitto_pub -p PORT -V 5 -u alice -P secret -t test -m hello
 */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <rmqtt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* MQTT 5: bad user name or password. */
#define BAD_USER_NAME_OR_PASSWORD 0x86

static const char CONFIG[] = "{\"listeners\":[{\"name\":\"main\",\"type\":\"tcp\",\"address\":\"127.0.0.1:0\"}]}";

/* ---- The directory: a queue of questions and the thread that answers them -------------------------------------- */

enum { MAX_NAME = 64, MAX_PASSWORD = 64, MAX_QUESTIONS = 256 };

/* Its own copy of everything: what a hook gets is gone when the hook returns. */
struct question {
    rmqtt_decision_t ticket;
    char name[MAX_NAME + 1];
    char password[MAX_PASSWORD];
    size_t password_len;
};

struct directory {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_t worker;
    struct question questions[MAX_QUESTIONS]; /* a ring */
    size_t first, count;
    bool closed;
};

/* As slow as a remote server. A real one would keep hashes and compare them in constant time. */
static bool look_up(const struct question *question) {
    static const char password[] = "secret";
    struct timespec delay = {0, 50 * 1000 * 1000};

    nanosleep(&delay, NULL);
    return strcmp(question->name, "alice") == 0 && question->password_len == sizeof password - 1 &&
           memcmp(question->password, password, sizeof password - 1) == 0;
}

static void answer(rmqtt_decision_t ticket, bool known) {
    rmqtt_verdict_t verdict = rmqtt_verdict_init();

    if (known) {
        verdict.kind = RMQTT_VERDICT_ALLOW;
    } else {
        verdict.kind = RMQTT_VERDICT_DENY;
        verdict.reason_code = BAD_USER_NAME_OR_PASSWORD;
        verdict.reason_string = rmqtt_str("the directory does not know this user and password");
    }
    /* The client may have left, or the time may be up: that is RMQTT_ERR_EXPIRED, and nothing to do. */
    if (rmqtt_decision_complete(ticket, &verdict) == RMQTT_ERR_INVALID_ARGUMENT) {
        fputs("the verdict is not valid\n", stderr);
    }
}

static void *answer_questions(void *user_data) {
    struct directory *directory = user_data;

    pthread_mutex_lock(&directory->mutex);
    for (;;) {
        while (directory->count == 0 && !directory->closed) {
            pthread_cond_wait(&directory->changed, &directory->mutex);
        }
        if (directory->closed) {
            break;
        }
        struct question question = directory->questions[directory->first];
        directory->first = (directory->first + 1) % MAX_QUESTIONS;
        directory->count--;

        /* Not under the lock: hooks must be able to ask meanwhile. */
        pthread_mutex_unlock(&directory->mutex);
        answer(question.ticket, look_up(&question));
        pthread_mutex_lock(&directory->mutex);
    }
    pthread_mutex_unlock(&directory->mutex);
    return NULL;
}

/* Answers false if the queue is full or closed. */
static bool ask(struct directory *directory, const struct question *question) {
    bool asked = false;

    pthread_mutex_lock(&directory->mutex);
    if (!directory->closed && directory->count < MAX_QUESTIONS) {
        directory->questions[(directory->first + directory->count) % MAX_QUESTIONS] = *question;
        directory->count++;
        asked = true;
        pthread_cond_signal(&directory->changed);
    }
    pthread_mutex_unlock(&directory->mutex);
    return asked;
}

static struct directory *directory_open(void) {
    struct directory *directory = calloc(1, sizeof *directory);

    if (directory == NULL) {
        return NULL;
    }
    pthread_mutex_init(&directory->mutex, NULL);
    pthread_cond_init(&directory->changed, NULL);
    if (pthread_create(&directory->worker, NULL, answer_questions, directory) != 0) {
        pthread_cond_destroy(&directory->changed);
        pthread_mutex_destroy(&directory->mutex);
        free(directory);
        return NULL;
    }
    return directory;
}

/* Questions that nobody has answered yet are forgotten: their tickets are plain numbers and stay harmless. */
static void directory_close(void *user_data) {
    struct directory *directory = user_data;

    pthread_mutex_lock(&directory->mutex);
    directory->closed = true;
    pthread_cond_signal(&directory->changed);
    pthread_mutex_unlock(&directory->mutex);
    pthread_join(directory->worker, NULL);
    pthread_cond_destroy(&directory->changed);
    pthread_mutex_destroy(&directory->mutex);
    free(directory);
}

/* ---- The hook -------------------------------------------------------------------------------------------------- */

static rmqtt_verdict_kind_t refuse(rmqtt_verdict_t *verdict, const char *reason) {
    verdict->reason_code = BAD_USER_NAME_OR_PASSWORD;
    verdict->reason_string = rmqtt_str(reason);
    return RMQTT_VERDICT_DENY;
}

static rmqtt_verdict_kind_t on_authenticate(const rmqtt_authenticate_t *event, rmqtt_verdict_t *verdict,
                                            void *user_data) {
    struct directory *directory = user_data;
    rmqtt_str_t name = event->client->username;
    struct question question = {0};

    /* What needs no directory is decided here, at once. */
    if (name.ptr == NULL || event->password.ptr == NULL) {
        return refuse(verdict, "a user name and a password are needed");
    }
    if (name.len > MAX_NAME || event->password.len > MAX_PASSWORD) {
        return refuse(verdict, "the user name or the password is too long");
    }
    memcpy(question.name, name.ptr, name.len);
    question.password_len = event->password.len;
    if (event->password.len != 0) {
        memcpy(question.password, event->password.ptr, event->password.len);
    }

    question.ticket = rmqtt_decision_defer();
    if (question.ticket == 0 || !ask(directory, &question)) {
        return refuse(verdict, "too many clients want to connect");
    }
    return RMQTT_VERDICT_DEFERRED;
}

/* ---- The program ----------------------------------------------------------------------------------------------- */

static rmqtt_broker_t *failed(const char *action, rmqtt_broker_t *broker, rmqtt_error_t *error) {
    fprintf(stderr, "auth: %s: %s\n", action, error != NULL ? rmqtt_error_message(error).ptr : "no resources");
    rmqtt_error_free(error);
    rmqtt_broker_free(broker);
    return NULL;
}

/* Makes a broker with the hook and starts it. NULL if that fails. */
static rmqtt_broker_t *start(void) {
    rmqtt_broker_t *broker = NULL;
    rmqtt_error_t *error = NULL;
    rmqtt_hooks_t hooks = rmqtt_hooks_init();

    if (rmqtt_broker_new(rmqtt_str(CONFIG), &broker, &error) != RMQTT_OK) {
        return failed("new", broker, error);
    }

    hooks.authenticate = on_authenticate;
    hooks.user_data = directory_open();
    hooks.drop = directory_close;
    if (hooks.user_data == NULL) {
        return failed("cannot open the directory", broker, NULL);
    }

    /* From here on the library owns the directory. It closes it after the last call of the hook. */
    if (rmqtt_broker_set_hooks(broker, &hooks, &error) != RMQTT_OK) {
        return failed("set_hooks", broker, error);
    }
    if (rmqtt_broker_start(broker, &error) != RMQTT_OK) {
        return failed("start", broker, error);
    }
    return broker;
}

int main(void) {
    rmqtt_broker_t *broker;
    rmqtt_listener_info_t listener = rmqtt_listener_info_init();
    sigset_t signals;
    int signal_number;

    /* Blocked before any thread starts, so that only `sigwait` takes them. */
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);

    broker = start();
    if (broker == NULL) {
        return EXIT_FAILURE;
    }
    if (rmqtt_broker_listener_info(broker, 0, &listener) == RMQTT_OK) {
        printf("listening on %s\n", listener.address.ptr);
        fflush(stdout);
    }
    sigwait(&signals, &signal_number);

    /* Closes the listener first, so no question comes after this; those that are open are denied. */
    rmqtt_broker_stop(broker, 1000);
    rmqtt_broker_free(broker);
    return EXIT_SUCCESS;
}
