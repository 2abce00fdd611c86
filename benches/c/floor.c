// The floor: what the machine itself takes for starting programs, without any host around it.
//
// floor rate N WORKERS FOLDER -- PROGRAM…   N runs by WORKERS threads; prints runs per second. Each run is a posix_spawn with
//     two pipes, its output appended to a log of its own with a time stamp, its end waited for, one line of history.
// floor times N GAP_US -- PROGRAM…          N runs one after the other; prints the wall-clock ns just before each start.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

enum { WORKERS_MAX = 64, STAMP_MAX = 64, READ = 1 << 16 };

extern char **environ;
static char **program;
static const char *folder;
static int runs_each, history;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static pid_t start(int out, int err) {
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    if (out >= 0) posix_spawn_file_actions_adddup2(&files, out, 1);
    if (err >= 0) posix_spawn_file_actions_adddup2(&files, err, 2);
    posix_spawnattr_t how;
    posix_spawnattr_init(&how);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setpgroup(&how, 0);
    pid_t pid;
    errno = posix_spawn(&pid, program[0], &files, &how, program, environ);
    if (errno) die(program[0]);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&how);
    return pid;
}

// Appends one block with a stamp before it; the block begins STAMP_MAX bytes into `buffer`.
static void append(int log, char *buffer, ssize_t n) {
    time_t now = time(NULL);
    struct tm parts;
    char stamp[STAMP_MAX];
    int length = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ O ", gmtime_r(&now, &parts));
    char *from = buffer + STAMP_MAX - length;
    memcpy(from, stamp, length);
    if (write(log, from, n + length) < 0) die("write");
}

// Copies both streams to the run's log until they are closed. The log is made when there is something to keep.
static void capture(int out, int err, const char *path) {
    char buffer[STAMP_MAX + READ];
    struct pollfd streams[2] = {{out, POLLIN, 0}, {err, POLLIN, 0}};
    int log = -1;
    for (int open_streams = 2; open_streams;) {
        poll(streams, 2, -1);
        for (int k = 0; k < 2; k++) {
            if (streams[k].fd < 0 || !streams[k].revents) continue;
            ssize_t n = read(streams[k].fd, buffer + STAMP_MAX, READ);
            if (n <= 0) {
                close(streams[k].fd);
                streams[k].fd = -1;
                open_streams--;
                continue;
            }
            if (log < 0) log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
            append(log, buffer, n);
        }
    }
    if (log >= 0) close(log);
}

static int wait_for(pid_t pid) {
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    return WEXITSTATUS(status);
}

static void one_run(long worker, int k) {
    int out[2], err[2];
    if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) die("pipe2");
    pid_t pid = start(out[1], err[1]);
    close(out[1]);
    close(err[1]);
    char path[512], line[128];
    snprintf(path, sizeof path, "%s/w%ld-%d.log", folder, worker, k);
    capture(out[0], err[0], path);
    int code = wait_for(pid);
    int n = snprintf(line, sizeof line, "{\"job\":\"w%ld\",\"id\":%d,\"pid\":%d,\"exit\":%d,\"end\":%lld}\n", worker, k, (int)pid, code,
                     wall_ns());
    if (write(history, line, n) != n) die("write");
}

static void *work(void *worker) {
    for (int k = 0; k < runs_each; k++) one_run((long)worker, k);
    return NULL;
}

static void rate(int runs, int workers) {
    char path[512];
    snprintf(path, sizeof path, "%s/history.jsonl", folder);
    history = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (history < 0) die(path);
    runs_each = runs / workers;
    pthread_t thread[WORKERS_MAX];
    double begun = seconds();
    for (long k = 0; k < workers; k++) pthread_create(&thread[k], NULL, work, (void *)k);
    for (int k = 0; k < workers; k++) pthread_join(thread[k], NULL);
    printf("%.1f\n", runs_each * workers / (seconds() - begun));
}

static void times(int runs, long gap_us) {
    while (runs-- > 0) {
        printf("%lld\n", wall_ns());
        wait_for(start(-1, -1));
        sleep_us(gap_us);
    }
}

int main(int argc, char **argv) {
    int first = 0;
    while (first < argc && strcmp(argv[first], "--")) first++;
    program = argv + first + 1;
    if (first == 5 && !strcmp(argv[1], "rate") && atoi(argv[3]) <= WORKERS_MAX) {
        folder = argv[4];
        rate(atoi(argv[2]), atoi(argv[3]));
    } else if (first == 4 && !strcmp(argv[1], "times")) {
        times(atoi(argv[2]), atol(argv[3]));
    } else {
        return fprintf(stderr, "usage: floor rate N WORKERS FOLDER -- PROGRAM… | floor times N GAP_US -- PROGRAM…\n"), 2;
    }
    return 0;
}
