// taillat FILE N TIMEOUT_MS: reads what is appended to FILE and prints, for each of N lines "LAT NS", the ns between that
// time and the moment the line could be read. It looks every 5 us or so: a reader woken by inotify would measure that too.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

enum { WARM_UP = 5 }; // the first lines may fall into the moment in which the file is created and found

static char text[1 << 20];

static int open_when_there(const char *path, long long until) {
    int file = -1;
    while ((file = open(path, O_RDONLY)) < 0 && wall_ns() < until) sleep_us(1000);
    return file;
}

// Prints the latencies of the whole lines among `have` bytes and moves the rest to the front. Returns the lines found.
static int take_lines(size_t *have, long long now, int found) {
    char *line = text, *end;
    while ((end = memchr(line, '\n', *have - (line - text)))) {
        *end = 0;
        char *mark = strstr(line, "LAT ");
        if (mark && ++found > WARM_UP) printf("%lld\n", now - atoll(mark + 4));
        line = end + 1;
    }
    *have -= line - text;
    memmove(text, line, *have);
    return found;
}

int main(int argc, char **argv) {
    if (argc != 4) return fprintf(stderr, "usage: taillat FILE N TIMEOUT_MS\n"), 2;
    long long until = wall_ns() + atoll(argv[3]) * 1000000LL;
    int file = open_when_there(argv[1], until), wanted = atoi(argv[2]), found = 0;
    if (file < 0) return fprintf(stderr, "taillat: no file %s\n", argv[1]), 1;
    for (size_t have = 0; found < wanted && wall_ns() < until;) {
        ssize_t n = read(file, text + have, sizeof text - have - 1);
        if (n <= 0) {
            sleep_us(5);
            continue;
        }
        long long now = wall_ns();
        have += n;
        found = take_lines(&have, now, found);
    }
    return found < wanted;
}
