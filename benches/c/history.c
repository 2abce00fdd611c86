// history FOLDER JOBS RUNS RECORD FAILED: lays out RUNS runs over the triggered jobs t0, t1, …, as folders with a record
// each below FOLDER: FOLDER/t0/ID/status. They began a second apart, from 2020-01-01 on, in turn; one in twenty failed.
// RECORD and FAILED are the records' texts. The records of a job are hard links to one of two files: a reader finds a
// file of its own for each run, the disk holds two.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FIRST = 1577836800 }; // 2020-01-01 00:00:00 UTC

static void check(int failed, const char *what) {
    if (!failed) return;
    fprintf(stderr, "history: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void write_record(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    check(!file || fputs(text, file) < 0 || fclose(file), path);
}

int main(int argc, char **argv) {
    if (argc != 6) return fprintf(stderr, "usage: history FOLDER JOBS RUNS RECORD FAILED\n"), 2;
    long jobs = atol(argv[2]), runs = atol(argv[3]);
    char path[2][4096], folder[4096], status[4200];
    for (long job = 0; job < jobs; job++) {
        snprintf(folder, sizeof folder, "%s/t%ld", argv[1], job);
        check(mkdir(folder, 0755) && errno != EEXIST, folder);
        for (int failed = 0; failed < 2; failed++) {
            snprintf(path[failed], sizeof path[failed], "%s/t%ld/record-%d", argv[1], job, failed);
            write_record(path[failed], argv[4 + failed]);
        }
        for (long run = job; run < runs; run += jobs) {
            time_t began = FIRST + run;
            struct tm t;
            gmtime_r(&began, &t);
            int n = snprintf(folder, sizeof folder, "%s/t%ld/%04d%02d%02d%02d%02d%02d0000", argv[1], job, t.tm_year + 1900,
                             t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec);
            check(mkdir(folder, 0755), folder);
            snprintf(status, sizeof status, "%.*s/status", n, folder);
            check(link(path[run % 20 == 0], status), status);
        }
    }
    return 0;
}
