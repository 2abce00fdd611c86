// emit GO BYTES WRITE_SIZE: waits until the file GO exists, then writes BYTES of 100-byte lines to its output, in blocks of
// WRITE_SIZE (0: one write a line), then the line "EOF-MARK". After that it stays, so that no host restarts it.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"

enum { LINE = 100 };

static void write_all(const char *from, size_t left) {
    while (left) {
        ssize_t n = write(1, from, left);
        if (n < 0) _exit(1);
        from += n;
        left -= n;
    }
}

// A block holds whole lines; the writes cut it wherever they end.
static char *block_of(size_t lines) {
    char *block = malloc(lines * LINE);
    for (size_t i = 0; i < lines * LINE; i++) block[i] = i % LINE == LINE - 1 ? '\n' : 'a' + (i / LINE + i) % 26;
    return block;
}

int main(int argc, char **argv) {
    if (argc != 4) return fprintf(stderr, "usage: emit GO BYTES WRITE_SIZE\n"), 2;
    size_t left = strtoull(argv[2], NULL, 10) / LINE * LINE, size = strtoull(argv[3], NULL, 10);
    // Every write begins somewhere in the first line of a cycle, so a block one line longer serves all of them.
    size_t step = size ? size : LINE, lines = step / LINE + 2, at = 0;
    char *block = block_of(lines);

    while (access(argv[1], F_OK)) sleep_us(1000);
    while (left) {
        size_t n = left < step ? left : step;
        write_all(block + at, n);
        at = (at + n) % LINE;
        left -= n;
    }
    write_all("EOF-MARK\n", 9);
    for (;;) pause();
}
