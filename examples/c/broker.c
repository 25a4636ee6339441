/*
 * rmqtt-broker: an MQTT broker as a program of its own.
 *
 * What it teaches: how a server is built around the library. Signals are waited for in one place, nothing happens in a
 * signal handler; a configuration is checked as a whole and every fault is told; the log goes where the program wants
 * it; a new configuration is taken over while the program runs; every path frees what it made.
 *
 * Exit status: 0 after SIGTERM or SIGINT; 1 if the broker cannot start or run; 2 for a fault of the command line or of
 * the configuration.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <rmqtt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_USAGE = 2 };

/* How long clients may take to be disconnected in order. */
enum { GRACE_MS = 5000 };

struct options {
    const char *file;
    const char *json;
    rmqtt_level_t level;
};

/* ---- Text on stderr and stdout --------------------------------------------------------------------------------- */

static const char *const LEVELS[] = {
    [RMQTT_LEVEL_ERROR] = "error", [RMQTT_LEVEL_WARN] = "warn",   [RMQTT_LEVEL_INFO] = "info",
    [RMQTT_LEVEL_DEBUG] = "debug", [RMQTT_LEVEL_TRACE] = "trace",
};

static const char *level_name(rmqtt_level_t level) {
    /* A later version of the library may have more of them. */
    return level >= RMQTT_LEVEL_ERROR && level <= RMQTT_LEVEL_TRACE ? LEVELS[level] : "?";
}

/* Text may come from clients: with control characters they could forge lines of the log, or steer a terminal. */
static void put_visible(FILE *out, rmqtt_str_t text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20 || c == 0x7F) {
            fprintf(out, "\\x%02x", c);
        } else {
            putc(c, out);
        }
    }
}

static void put_json_string(FILE *out, rmqtt_str_t text) {
    putc('"', out);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '"' || c == '\\') {
            fprintf(out, "\\%c", c);
        } else if (c < 0x20) {
            fprintf(out, "\\u%04x", c);
        } else {
            putc(c, out);
        }
    }
    putc('"', out);
}

/* Such as `2025-01-31T12:00:00.123Z info  `. */
static void put_stamp(FILE *out, rmqtt_level_t level) {
    struct timespec now;
    struct tm utc;
    char date[sizeof "2025-01-31T12:00:00"];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
    fprintf(out, "%s.%03ldZ %-5s ", date, now.tv_nsec / 1000000, level_name(level));
}

/* A line of the program's own in the log. It and the lines of the library come from different threads. */
static void log_line(rmqtt_level_t level, const char *format, ...) {
    va_list arguments;

    flockfile(stderr);
    put_stamp(stderr, level);
    fputs("rmqtt-broker: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    putc('\n', stderr);
    funlockfile(stderr);
}

/* The log of the library. */
static void on_log(const rmqtt_log_line_t *line, void *user_data) {
    (void)user_data;
    flockfile(stderr);
    put_stamp(stderr, line->level);
    put_visible(stderr, line->target);
    fputs(": ", stderr);
    put_visible(stderr, line->message);
    putc('\n', stderr);
    funlockfile(stderr);
}

/* ---- Errors ---------------------------------------------------------------------------------------------------- */

/* Before the broker runs, faults are all there is to say, and each begins its line; later they belong in the log. */
enum report { REPORT_PLAIN, REPORT_LOG };

static void put_report_start(enum report report) {
    if (report == REPORT_LOG) {
        put_stamp(stderr, RMQTT_LEVEL_ERROR);
        fputs("rmqtt-broker: ", stderr);
    }
}

/* Tells what went wrong, every fault of a configuration on a line of its own, and frees the error. */
static void report_error(enum report report, const char *action, rmqtt_error_t *error) {
    size_t faults = rmqtt_error_fault_count(error);

    flockfile(stderr);
    for (size_t i = 0; i < faults; i++) {
        rmqtt_fault_t fault = rmqtt_fault_init();
        if (rmqtt_error_fault(error, i, &fault) != RMQTT_OK) {
            continue;
        }
        put_report_start(report);
        /* The empty pointer means the whole text. */
        put_visible(stderr, fault.pointer.len != 0 ? fault.pointer : rmqtt_str("(document)"));
        fputs(": ", stderr);
        put_visible(stderr, fault.message);
        putc('\n', stderr);
    }
    if (faults == 0) {
        put_report_start(report);
        fprintf(stderr, "%s%s: ", report == REPORT_PLAIN ? "rmqtt-broker: " : "", action);
        put_visible(stderr, rmqtt_error_message(error));
        putc('\n', stderr);
    }
    funlockfile(stderr);
    rmqtt_error_free(error);
}

/* ---- The configuration ----------------------------------------------------------------------------------------- */

struct text {
    char *bytes;
    size_t len;
};

/* Reads a whole file. On failure, `errno` says why. */
static bool read_file(const char *path, struct text *out) {
    struct text text = {NULL, 0};
    size_t room = 0;
    FILE *file = fopen(path, "rb");

    if (file == NULL) {
        return false;
    }
    do {
        if (text.len == room) {
            size_t more = room == 0 ? 4096 : room * 2;
            char *bytes = realloc(text.bytes, more);
            if (bytes == NULL) {
                goto failed;
            }
            text.bytes = bytes;
            room = more;
        }
        text.len += fread(text.bytes + text.len, 1, room - text.len, file);
        if (ferror(file)) {
            goto failed;
        }
    } while (!feof(file));

    fclose(file);
    *out = text;
    return true;

failed:;
    int reason = errno;
    free(text.bytes);
    fclose(file);
    errno = reason;
    return false;
}

/*
 * The configuration as it is now: the file as it reads at this moment, or the text of the command line. `room` keeps the
 * text and is freed by the caller. Tells what is wrong; false then.
 */
static bool read_config(const struct options *options, enum report report, struct text *room, rmqtt_str_t *out) {
    room->bytes = NULL;
    room->len = 0;
    if (options->file == NULL) {
        *out = rmqtt_str(options->json);
        return true;
    }
    if (!read_file(options->file, room)) {
        if (report == REPORT_LOG) {
            log_line(RMQTT_LEVEL_ERROR, "cannot read %s: %s", options->file, strerror(errno));
        } else {
            fprintf(stderr, "rmqtt-broker: cannot read %s: %s\n", options->file, strerror(errno));
        }
        return false;
    }
    out->ptr = room->bytes;
    out->len = room->len;
    return true;
}

/* ---- The broker ------------------------------------------------------------------------------------------------ */

/* One line of JSON, for the program that has started this one: it tells the real ports. */
static void print_listening(const rmqtt_broker_t *broker) {
    size_t count = rmqtt_broker_listener_count(broker);

    fputs("{\"event\":\"listening\",\"listeners\":[", stdout);
    for (size_t i = 0; i < count; i++) {
        rmqtt_listener_info_t listener = rmqtt_listener_info_init();
        if (rmqtt_broker_listener_info(broker, i, &listener) != RMQTT_OK) {
            continue;
        }
        fputs(i == 0 ? "{\"name\":" : ",{\"name\":", stdout);
        put_json_string(stdout, listener.name);
        fputs(",\"type\":", stdout);
        put_json_string(stdout, listener.type);
        fputs(",\"address\":", stdout);
        put_json_string(stdout, listener.address);
        putc('}', stdout);
    }
    fputs("]}\n", stdout);
    if (fflush(stdout) != 0) {
        log_line(RMQTT_LEVEL_WARN, "cannot tell on stdout where the broker listens: %s", strerror(errno));
    }
}

/* Makes a broker and starts it. Answers the exit status of a failure, which has been told, or -1 to go on. */
static int start_broker(const struct options *options, rmqtt_broker_t **out) {
    struct text room;
    rmqtt_str_t config;
    rmqtt_error_t *error = NULL;

    if (!read_config(options, REPORT_PLAIN, &room, &config)) {
        return EXIT_USAGE;
    }
    rmqtt_status_t made = rmqtt_broker_new(config, out, &error);
    free(room.bytes);
    if (made != RMQTT_OK) {
        report_error(REPORT_PLAIN, "cannot use the configuration", error);
        return EXIT_USAGE;
    }
    if (rmqtt_broker_start(*out, &error) != RMQTT_OK) {
        report_error(REPORT_PLAIN, "cannot start", error);
        rmqtt_broker_free(*out);
        return EXIT_FAILURE;
    }
    print_listening(*out);
    return -1;
}

/* One line of JSON: the report of the library is an object, in front of whose members one more is put. */
static void print_reloaded(rmqtt_str_t report) {
    fprintf(stderr, "{\"event\":\"reloaded\",%.*s\n", (int)(report.len - 1), report.ptr + 1);
}

/*
 * Takes over the configuration as it is now, with certificates and the like read again. Clients stay connected. A faulty
 * one changes nothing.
 */
static void reload(rmqtt_broker_t *broker, const struct options *options) {
    struct text room;
    rmqtt_str_t config;
    rmqtt_string_t *report = NULL;
    rmqtt_error_t *error = NULL;

    if (!read_config(options, REPORT_LOG, &room, &config)) {
        log_line(RMQTT_LEVEL_ERROR, "the old configuration stays");
        return;
    }
    if (rmqtt_broker_reload(broker, config, &report, &error) == RMQTT_OK) {
        print_reloaded(rmqtt_string_view(report));
        /* Listeners may have come and gone. */
        print_listening(broker);
    } else {
        report_error(REPORT_LOG, "cannot take over the configuration", error);
        log_line(RMQTT_LEVEL_ERROR, "the old configuration stays");
    }
    rmqtt_string_free(report);
    free(room.bytes);
}

/* Runs until a signal ends it. Answers the exit status. */
static int serve(const struct options *options, const sigset_t *signals) {
    int signal_number = 0;
    rmqtt_broker_t *broker = NULL;
    int status = start_broker(options, &broker);

    if (status >= 0) {
        return status;
    }

    do {
        if (sigwait(signals, &signal_number) == 0 && signal_number == SIGHUP) {
            reload(broker, options);
        }
    } while (signal_number == SIGHUP);

    /*
     * A second signal does not shorten this: tools such as timeout(1) send theirs twice, to the process and to its
     * group. The grace bounds the wait.
     */
    log_line(RMQTT_LEVEL_INFO, "signal %d: stopping", signal_number);
    rmqtt_broker_stop(broker, GRACE_MS);
    rmqtt_broker_free(broker);
    return EXIT_SUCCESS;
}

/* ---- The command line ------------------------------------------------------------------------------------------ */

static void usage(FILE *out) {
    fputs("usage: rmqtt-broker -c FILE | -j JSON [-l LEVEL]\n"
          "  -c FILE   the configuration, a file\n"
          "  -j JSON   the configuration itself\n"
          "  -l LEVEL  what is logged: error, warn, info (the default), debug or trace\n"
          "  -h        tells this\n"
          "  -V        tells the version\n"
          "SIGTERM and SIGINT stop the broker, SIGHUP applies the configuration anew.\n",
          out);
}

static bool parse_level(const char *name, rmqtt_level_t *out) {
    for (rmqtt_level_t level = RMQTT_LEVEL_ERROR; level <= RMQTT_LEVEL_TRACE; level++) {
        if (strcmp(name, LEVELS[level]) == 0) {
            *out = level;
            return true;
        }
    }
    fprintf(stderr, "rmqtt-broker: %s is not a level\n", name);
    return false;
}

/* Tells -1 to go on, or the status to exit with. */
static int parse_options(int argc, char **argv, struct options *options) {
    int option;

    while ((option = getopt(argc, argv, "c:j:l:hV")) != -1) {
        switch (option) {
        case 'c':
            options->file = optarg;
            break;
        case 'j':
            options->json = optarg;
            break;
        case 'l':
            if (!parse_level(optarg, &options->level)) {
                usage(stderr);
                return EXIT_USAGE;
            }
            break;
        case 'h':
            usage(stdout);
            return EXIT_SUCCESS;
        case 'V':
            printf("rmqtt-broker %s\n", rmqtt_version().ptr);
            return EXIT_SUCCESS;
        default:
            usage(stderr);
            return EXIT_USAGE;
        }
    }
    if (optind != argc || (options->file == NULL) == (options->json == NULL)) {
        usage(stderr);
        return EXIT_USAGE;
    }
    return -1;
}

int main(int argc, char **argv) {
    struct options options = {NULL, NULL, RMQTT_LEVEL_INFO};
    sigset_t signals;
    int status = parse_options(argc, argv, &options);

    if (status >= 0) {
        return status;
    }

    /* A line is one write, so that lines stay whole where several programs share a log. */
    setvbuf(stderr, NULL, _IOLBF, BUFSIZ);
    /* Whoever reads stdout may leave after the first line. */
    signal(SIGPIPE, SIG_IGN);
    /* Blocked before any thread starts, so that `sigwait` is the only place where these signals arrive. */
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);

    if (rmqtt_log_set(options.level, on_log, NULL, NULL) != RMQTT_OK) {
        fputs("rmqtt-broker: cannot start the log\n", stderr);
        return EXIT_FAILURE;
    }
    status = serve(&options, &signals);
    /* Waits until the lines that are on their way are written, and ends the thread of the log. */
    rmqtt_log_set(options.level, NULL, NULL, NULL);
    return status;
}
