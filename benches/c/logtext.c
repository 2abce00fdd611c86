// logtext GO BYTES RARE: waits until the file GO exists, then prints about BYTES of lines as services print them, 64 KiB a
// write; every RARE-th one ends in "needle NUMBER". Then the line "EOF-MARK". After that it stays, so that no host restarts it.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

enum { BLOCK = 1 << 16, LINE_MAX_BYTES = 256 };

static const char *paths[] = {"/api/orders", "/api/orders/items", "/login", "/static/app.js", "/api/customers", "/health", "/api/report", "/"};
static const char *words[] = {"cache hit", "cache miss", "retried once", "slow query", "ok", "queued", "from replica", "signed"};

// Cheap, and the same in every run.
static uint64_t next(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

static void write_all(const char *from, size_t left) {
    while (left) {
        ssize_t n = write(1, from, left);
        if (n < 0) _exit(1);
        from += n;
        left -= n;
    }
}

int main(int argc, char **argv) {
    if (argc != 4) return fprintf(stderr, "usage: logtext GO BYTES RARE\n"), 2;
    static char block[BLOCK + LINE_MAX_BYTES];
    uint64_t left = strtoull(argv[2], NULL, 10), rare = strtoull(argv[3], NULL, 10), line = 0, state = 88172645463325252ULL;
    while (access(argv[1], F_OK)) sleep_us(1000);
    while (left) {
        size_t have = 0;
        while (have < BLOCK && have < left) {
            uint64_t r = next(&state);
            have += snprintf(block + have, LINE_MAX_BYTES, "request %llx from 10.%u.%u.%u %s status=%u took %u ms, %s", (unsigned long long)(r >> 24),
                             (unsigned)(r & 3), (unsigned)(r >> 2 & 63), (unsigned)(r >> 8 & 255), paths[r >> 16 & 7],
                             (unsigned)(r >> 19 & 31 ? 200 : 500), (unsigned)(r >> 24 & 1023), words[r >> 34 & 7]);
            if (++line % rare == 0) have += sprintf(block + have, " needle %llu", (unsigned long long)line);
            block[have++] = '\n';
        }
        write_all(block, have);
        left = have < left ? left - have : 0;
    }
    write_all("EOF-MARK\n", 9);
    for (;;) pause();
}
