// requests PORT METHOD PATH N GAP_US: sends N requests, one after the other, GAP_US apart.
// Prints a line for each: wall-clock ns just before it was sent, us until its answer was complete, status, bytes of the body.
#define _GNU_SOURCE
#include "clock.h"
#include "http.h"

int main(int argc, char **argv) {
    if (argc != 6) return fprintf(stderr, "usage: requests PORT METHOD PATH N GAP_US\n"), 2;
    client c = client_new(atoi(argv[1]));
    client_connect(&c);
    for (int left = atoi(argv[4]); left > 0; left--) {
        long long sent = wall_ns();
        double begun = seconds();
        int status = client_ask(&c, argv[2], argv[3]);
        printf("%lld %.1f %d %zu\n", sent, (seconds() - begun) * 1e6, status, status > 0 ? strlen(c.body) : 0);
        sleep_us(atol(argv[5]));
    }
    return 0;
}
