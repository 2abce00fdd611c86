// latemit N GAP_US: after 1.5 s prints N lines "LAT NS", each with the wall clock's time and in a write of its own, GAP_US
// apart; then it stays, so that no host restarts it.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"

int main(int argc, char **argv) {
    if (argc != 3) return fprintf(stderr, "usage: latemit N GAP_US\n"), 2;
    sleep_us(1500000); // by now the reader has found the log
    for (int left = atoi(argv[1]); left > 0; left--) {
        char line[96];
        int n = snprintf(line, sizeof line, "LAT %lld\n", wall_ns());
        if (write(1, line, n) != n) return 1;
        sleep_us(atol(argv[2]));
    }
    for (;;) pause();
}
