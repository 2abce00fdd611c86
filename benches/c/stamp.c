// stamp FILE NAME [LIVE_MS [CODE]]: appends "S NS PID NAME" to FILE as its first act.
// With LIVE_MS it lives that long, appends "E NS PID NAME" and exits with CODE; -1 is for ever (an idle job).
// Linked statically, so that its own start costs one exec and no dynamic loading.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"

static void append(int file, char what, long long when, const char *name) {
    char line[256];
    int n = snprintf(line, sizeof line, "%c %lld %d %s\n", what, when, (int)getpid(), name);
    if (write(file, line, n) != n) _exit(3);
}

int main(int argc, char **argv) {
    long long begun = wall_ns();
    if (argc < 3) return 2;
    int file = open(argv[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    append(file, 'S', begun, argv[2]);
    if (argc < 4) _exit(0);

    int live_ms = atoi(argv[3]);
    while (live_ms < 0) pause();
    sleep_us(live_ms * 1000L);
    append(file, 'E', wall_ns(), argv[2]);
    _exit(argc > 4 ? atoi(argv[4]) : 0);
}
