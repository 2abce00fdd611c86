// triggers PORT N CONCURRENCY PREFIX wait|poll: N runs of the triggered jobs PREFIX0, PREFIX1, …, CONCURRENCY at a time.
// Each client thread asks its own job for a run (Kudu's POST …/run) and then learns of the recorded end, either from one
// request that waits (webjobd's own API) or by asking Kudu's history entry every 200 us.
// Prints: runs, failures, seconds.
#define _GNU_SOURCE
#include <pthread.h>

#include "clock.h"
#include "http.h"

enum { POLL_US = 200, THREADS_MAX = 64 };

static int port, runs, waits;
static const char *prefix;
static int taken, failures; // changed by all threads

// Takes the path out of the `Location` of the last answer; an absolute one may name the host as well.
static int location(const client *c, char *path, size_t cap) {
    const char *at = client_header(c, "location:");
    if (!at) return 0;
    if (!strncmp(at, "http://", 7) && !(at = strchr(at + 7, '/'))) return 0;
    size_t length = strcspn(at, "\r");
    if (length >= cap) return 0;
    memcpy(path, at, length);
    path[length] = 0;
    return 1;
}

static int wait_for_end(client *c, long job, const char *entry) {
    char path[512];
    snprintf(path, sizeof path, "/api/v1/jobs/triggered/%s%ld/runs/%s?wait=30", prefix, job, strrchr(entry, '/') + 1);
    return client_ask(c, "GET", path) == 200 && strstr(c->body, "\"ended\"");
}

static int poll_for_end(client *c, const char *entry) {
    for (;;) {
        sleep_us(POLL_US);
        if (client_ask(c, "GET", entry) != 200) return 0;
        if (!strstr(c->body, "\"Running\"") && !strstr(c->body, "\"Initializing\"")) return 1;
    }
}

static int one_run(client *c, long job) {
    char path[512], entry[512];
    snprintf(path, sizeof path, "/api/triggeredwebjobs/%s%ld/run", prefix, job);
    if (client_ask(c, "POST", path) != 202 || !location(c, entry, sizeof entry)) return 0;
    return waits ? wait_for_end(c, job, entry) : poll_for_end(c, entry);
}

static void *work(void *job) {
    client c = client_new(port);
    while (__sync_fetch_and_add(&taken, 1) < runs)
        if (!one_run(&c, (long)job)) __sync_fetch_and_add(&failures, 1);
    client_close(&c);
    free(c.text);
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 6) return fprintf(stderr, "usage: triggers PORT N CONCURRENCY PREFIX wait|poll\n"), 2;
    port = atoi(argv[1]);
    runs = atoi(argv[2]);
    int threads = atoi(argv[3]);
    prefix = argv[4];
    waits = !strcmp(argv[5], "wait");
    if (threads > THREADS_MAX) return fprintf(stderr, "triggers: %d at a time at most\n", THREADS_MAX), 2;

    pthread_t thread[THREADS_MAX];
    double begun = seconds();
    for (long k = 0; k < threads; k++) pthread_create(&thread[k], NULL, work, (void *)k);
    for (int k = 0; k < threads; k++) pthread_join(thread[k], NULL);
    printf("%d %d %.6f\n", runs, failures, seconds() - begun);
    return failures > 0;
}
