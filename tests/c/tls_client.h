/*
 * A TLS client that is not of the library's making: `openssl s_client` as a child process. What is written to its
 * descriptor goes through TLS to the server, and what comes from there can be read from it.
 *
 * Stands alone, for C11 and C++17.
 */

#ifndef RMQTT_TEST_TLS_CLIENT_H
#define RMQTT_TEST_TLS_CLIENT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct tls_client {
    /** At its end when the server has closed the connection, or refuses the handshake. */
    int fd;
    /** -1 if it could not be started. */
    pid_t process;
} tls_client;

/**
 * Connects to a port of 127.0.0.1.
 *
 * @param options Further options of s_client, with NULL behind the last one.
 * @param patience_s How long to wait for what is to be read.
 */
static inline tls_client tls_client_start(uint16_t port, const char *const *options, int patience_s) {
    tls_client client = {-1, -1};
    char address[32];
    char *arguments[32];
    size_t count = 0;
    int ends[2];
    struct timeval patience = {patience_s, 0};
    posix_spawn_file_actions_t files;

    snprintf(address, sizeof address, "127.0.0.1:%u", (unsigned)port);
    /* Without `-quiet`, lines that begin with Q or R are commands. */
    const char *const first[] = {"openssl", "s_client", "-quiet", "-connect", address};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
        arguments[count++] = (char *)(uintptr_t)first[i];
    }
    while (*options && count + 1 < sizeof arguments / sizeof *arguments) {
        arguments[count++] = (char *)(uintptr_t)*options++;
    }
    arguments[count] = NULL;
    if (*options || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        return client;
    }
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, ends[1], 0);
    posix_spawn_file_actions_adddup2(&files, ends[1], 1);
    posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
    if (posix_spawnp(&client.process, "openssl", &files, NULL, arguments, environ) != 0) {
        client.process = -1;
    }
    posix_spawn_file_actions_destroy(&files);
    close(ends[1]);
    client.fd = ends[0];
    setsockopt(client.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(client.fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return client;
}

/** Ends the process, and with it the connection, without a word. */
static inline void tls_client_end(tls_client client) {
    close(client.fd);
    if (client.process > 0) {
        /* It would wait for the server to close the connection. */
        kill(client.process, SIGKILL);
        waitpid(client.process, NULL, 0);
    }
}

#endif /* RMQTT_TEST_TLS_CLIENT_H */
