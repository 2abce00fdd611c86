// followers PORT PATH COUNT LINES TIMEOUT_MS: COUNT connections that all ask for PATH, a stream that does not end, and read
// what comes. Prints for each of LINES lines "LAT NS" the ns between that time and its arrival at the last of them.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>

#include "clock.h"
#include "http.h"

enum { WARM_UP = 5, LINES_MAX = 10000, TEXT = 1 << 16 };

typedef struct {
    int fd, found;
    size_t have;
    char text[TEXT];
} follower;

static long long sent[LINES_MAX], last[LINES_MAX];
static int complete[LINES_MAX];

static void ask(follower *f, int port, const char *path) {
    client c = client_new(port);
    const char *more = getenv("HTTP_HEADERS");
    char head[4096];
    int n = snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n", path, port, more ? more : "");
    client_connect(&c);
    if (send(c.fd, head, n, MSG_NOSIGNAL) != n) exit(1);
    free(c.text);
    f->fd = c.fd;
    fcntl(f->fd, F_SETFL, O_NONBLOCK);
}

// Takes the marks that are whole and keeps what comes after the last of them.
static void take_marks(follower *f, long long now, int lines) {
    char *at = f->text, *mark;
    f->text[f->have] = 0;
    while ((mark = strstr(at, "LAT "))) {
        char *end = mark + 4 + strspn(mark + 4, "0123456789");
        if (!*end) break;
        if (end - mark > 15 && f->found < lines) {
            sent[f->found] = atoll(mark + 4);
            last[f->found] = now;
            complete[f->found++]++;
        }
        at = end;
    }
    if (!mark && f->have - (at - f->text) > 3) at = f->text + f->have - 3; // the beginning of a mark, at most
    f->have -= at - f->text;
    memmove(f->text, at, f->have);
}

int main(int argc, char **argv) {
    if (argc != 6) return fprintf(stderr, "usage: followers PORT PATH COUNT LINES TIMEOUT_MS\n"), 2;
    int count = atoi(argv[3]), lines = atoi(argv[4]), poll = epoll_create1(0);
    long long until = wall_ns() + atoll(argv[5]) * 1000000LL;
    if (lines > LINES_MAX) return fprintf(stderr, "followers: %d lines at most\n", LINES_MAX), 2;
    follower *all = calloc(count, sizeof *all);
    for (int k = 0; k < count; k++) {
        ask(&all[k], atoi(argv[1]), argv[2]);
        epoll_ctl(poll, EPOLL_CTL_ADD, all[k].fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = &all[k]});
    }
    while (complete[lines - 1] < count && wall_ns() < until) {
        struct epoll_event events[256];
        int n = epoll_wait(poll, events, 256, 100);
        for (int k = 0; k < n; k++) {
            follower *f = events[k].data.ptr;
            ssize_t got = recv(f->fd, f->text + f->have, TEXT - f->have - 1, 0);
            if (got <= 0 && errno == EAGAIN) continue;
            if (got <= 0) return fprintf(stderr, "followers: a stream ended\n"), 1;
            f->have += got;
            take_marks(f, wall_ns(), lines);
        }
    }
    for (int k = WARM_UP; k < lines && complete[k] == count; k++) printf("%lld\n", last[k] - sent[k]);
    return complete[lines - 1] < count;
}
