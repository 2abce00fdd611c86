// rested: prints how long it takes to change one byte of a page, in us: of pages that were changed just now, and of such that
// nobody touched for a second. On a real machine that is hardly more; a virtual one may have lost their memory to its own host.
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"

enum { PAGES = 4000, PAGE = 4096 };

static double us_per_page(volatile char *pages) {
    double begun = seconds();
    for (int k = 0; k < PAGES; k++) pages[(size_t)k * PAGE]++;
    return (seconds() - begun) * 1e6 / PAGES;
}

int main(void) {
    char *pages = mmap(NULL, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) return 1;
    memset(pages, 1, (size_t)PAGES * PAGE);
    double at_once = us_per_page(pages);
    sleep_us(1000000);
    printf("%.2f %.2f\n", at_once, us_per_page(pages));
    return 0;
}
