// limithost ROOT PORT: the limit. A host with webjobd's outside behaviour and nothing but the work itself: one thread, one
// epoll loop, no error handling to speak of. It says how fast webjobd could be if everything else were free; not a product.
//
// It does: folders under ROOT/jobs; continuous jobs kept alive with a restart delay of 0; triggered ones over HTTP and by
// "*/N * * * * *" schedules; one log a job (continuous) or a run (triggered) with a stamp on every line; a line of history
// for each run; folders dropped in while it runs; the status of all jobs; a graceful stop on TERM. When it listens and has
// read all folders it creates ROOT/data/ready.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

enum { CONNS = 4096, WATCHES = 1 << 16, EVENTS = 256 };
enum { IN = 1 << 20, OUT = 4 << 20 }; // one buffer each for all jobs
enum { PIPE = 1 << 16, STOP_SECONDS = 5 };
enum source { ON_SIGNAL, ON_TIMER, ON_FOLDER, ON_LISTENER, ON_CONN, ON_STDOUT, ON_STDERR, ON_EXIT };

typedef struct {
    char *name;
    char continuous, running, gone;
    int every; // seconds of its schedule, 0 without one
    int pid, pidfd;
    int pipe[2][2]; // stdout and stderr; a continuous job keeps them over restarts
    int log;
    char *carry[2]; // an unfinished line of each stream
    size_t carried[2];
    int waiter; // the connection that waits for the end of the run
    int last_exit;
    long runs;
    long long started;
} job;

typedef struct {
    int fd;
    size_t have;
    char text[2048];
} conn;

typedef struct {
    char *name;
    char continuous;
} watched;

extern char **environ;
static const char *root;
static job *jobs;
static int n_jobs, cap_jobs, n_scheduled, n_running, quitting;
static conn *conns[CONNS];
static watched watches[WATCHES];
static int loop, timer, folders, history, signals, listener;
static int watch_continuous, watch_triggered;
static char *in, *out;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void write_all(int fd, const char *from, size_t left) {
    while (left) {
        ssize_t n = write(fd, from, left);
        if (n < 0) return perror("write");
        from += n;
        left -= n;
    }
}

static void listen_to(int fd, enum source source, int index) {
    struct epoll_event e = {EPOLLIN, {.u64 = (uint64_t)source << 32 | (unsigned)index}};
    if (epoll_ctl(loop, EPOLL_CTL_ADD, fd, &e)) die("epoll_ctl");
}

static const char *kind_of(int continuous) { return continuous ? "continuous" : "triggered"; }

// ---------------------------------------------------------------------------------------------------- jobs by name

static int *table; // indices into `jobs`, -1 where free
static unsigned mask;

static unsigned slot_of(const char *name) {
    unsigned hash = 2166136261u;
    while (*name) hash = (hash ^ (unsigned char)*name++) * 16777619;
    return hash & mask;
}

static void table_put(int i) {
    unsigned slot = slot_of(jobs[i].name);
    while (table[slot] >= 0) slot = (slot + 1) & mask;
    table[slot] = i;
}

static void table_grow(void) {
    mask = mask ? mask * 2 + 1 : 1023;
    table = realloc(table, (mask + 1) * sizeof *table);
    memset(table, -1, (mask + 1) * sizeof *table);
    for (int i = 0; i < n_jobs; i++) table_put(i);
}

static int find(const char *name, int continuous) {
    for (unsigned slot = slot_of(name); table[slot] >= 0; slot = (slot + 1) & mask) {
        job *j = &jobs[table[slot]];
        if (!j->gone && j->continuous == continuous && !strcmp(j->name, name)) return table[slot];
    }
    return -1;
}

// ---------------------------------------------------------------------------------------------------- logs

static char stamp[48];
static size_t stamp_length;
enum { LEVEL = 5, MILLIS = 20 }; // "INFO " or "ERR  " at the stamp's end; where its milliseconds stand

// Renews the stamp when the millisecond is another one: formatting it for each line would cost more than the lines.
static void renew_stamp(int stream) {
    static long long shown_ms;
    static time_t shown_second;
    long long ms = wall_ns() / 1000000;
    time_t second = ms / 1000;
    if (second != shown_second) {
        struct tm parts;
        gmtime_r(&second, &parts);
        stamp_length = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S.000Z INFO ", &parts);
        shown_second = second;
    }
    if (ms != shown_ms) {
        int of_second = ms % 1000;
        stamp[MILLIS] = '0' + of_second / 100;
        stamp[MILLIS + 1] = '0' + of_second / 10 % 10;
        stamp[MILLIS + 2] = '0' + of_second % 10;
        shown_ms = ms;
    }
    memcpy(stamp + stamp_length - LEVEL, stream ? "ERR  " : "INFO ", LEVEL);
}

static int log_of(job *j) {
    if (j->log >= 0) return j->log;
    char path[512];
    if (j->continuous) snprintf(path, sizeof path, "%s/data/continuous/%s.log", root, j->name);
    else snprintf(path, sizeof path, "%s/data/triggered/%s-%ld.log", root, j->name, j->runs);
    return j->log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

static void keep_rest(job *j, int stream, const char *rest, size_t length) {
    if (length && !j->carry[stream]) j->carry[stream] = malloc(IN);
    if (length) memcpy(j->carry[stream], rest, length);
    if (!length) {
        free(j->carry[stream]);
        j->carry[stream] = NULL;
    }
    j->carried[stream] = length;
}

// Reads once what a stream holds and appends its whole lines to the log, stamped, in one write. Returns the bytes read.
static ssize_t pump(job *j, int stream) {
    size_t have = j->carried[stream];
    if (j->pipe[stream][0] < 0) return 0;
    if (have) memcpy(in, j->carry[stream], have);
    ssize_t n = read(j->pipe[stream][0], in + have, IN - have);
    if (n <= 0) return n;

    renew_stamp(stream);
    char *line = in, *end = in + have + n, *to = out, *newline;
    while ((newline = memchr(line, '\n', end - line))) {
        size_t length = newline + 1 - line;
        memcpy(to, stamp, sizeof stamp);
        memcpy(to + stamp_length, line, length);
        to += stamp_length + length;
        line = newline + 1;
        if (to - out > OUT - IN - 2 * (int)sizeof stamp) {
            write_all(log_of(j), out, to - out);
            to = out;
        }
    }
    if (to > out) write_all(log_of(j), out, to - out);
    keep_rest(j, stream, line, end - line);
    return n;
}

// Writes what a run left in its pipes, an unfinished last line included, and closes everything that belonged to the run.
static void finish_output(job *j) {
    for (int stream = 0; stream < 2; stream++) {
        while (pump(j, stream) > 0) {}
        if (j->carried[stream]) {
            renew_stamp(stream);
            write_all(log_of(j), stamp, stamp_length);
            write_all(j->log, j->carry[stream], j->carried[stream]);
            write_all(j->log, "\n", 1);
            keep_rest(j, stream, NULL, 0);
        }
        for (int end = 0; end < 2; end++) {
            if (j->pipe[stream][end] >= 0) close(j->pipe[stream][end]);
            j->pipe[stream][end] = -1;
        }
    }
    if (j->log >= 0) close(j->log);
    j->log = -1;
}

static void on_output(job *j, int stream) {
    ssize_t n = pump(j, stream);
    if (n == 0 && !j->continuous && j->pipe[stream][0] >= 0) {
        close(j->pipe[stream][0]);
        j->pipe[stream][0] = -1;
    }
    // A larger pipe pays only for a job that fills it.
    if (n >= PIPE && j->continuous) fcntl(j->pipe[stream][0], F_SETPIPE_SZ, IN);
}

// ---------------------------------------------------------------------------------------------------- runs

static void open_pipes(int i) {
    job *j = &jobs[i];
    for (int stream = 0; stream < 2; stream++) {
        if (pipe2(j->pipe[stream], O_CLOEXEC | O_NONBLOCK)) die("pipe2");
        fcntl(j->pipe[stream][1], F_SETFL, 0); // the job's own end blocks, as programs expect
        listen_to(j->pipe[stream][0], stream ? ON_STDERR : ON_STDOUT, i);
    }
}

static void start(int i) {
    job *j = &jobs[i];
    char folder[512], script[600];
    snprintf(folder, sizeof folder, "%s/jobs/%s/%s", root, kind_of(j->continuous), j->name);
    snprintf(script, sizeof script, "%s/run.sh", folder);
    char *argv[] = {script, NULL};
    if (j->pipe[0][1] < 0) open_pipes(i);

    sigset_t none;
    sigemptyset(&none);
    pid_t pid = vfork();
    if (pid < 0) die("vfork");
    if (pid == 0) {
        dup2(j->pipe[0][1], 1);
        dup2(j->pipe[1][1], 2);
        setpgid(0, 0);
        sigprocmask(SIG_SETMASK, &none, NULL);
        if (!chdir(folder)) execve(script, argv, environ);
        _exit(127);
    }
    j->pid = pid;
    j->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    j->running = 1;
    j->runs++;
    j->started = wall_ns();
    n_running++;
    listen_to(j->pidfd, ON_EXIT, i);
}

static void reply(int connection, const char *status, const char *headers, const char *body, size_t length);

static void answer_run(int connection, const job *j) {
    char body[512];
    int n = snprintf(body, sizeof body, "{\"id\":\"%ld\",\"job\":\"%s\",\"status\":\"%s\",\"phase\":\"%s\",\"exit_code\":%d}", j->runs, j->name,
                     j->running ? "Running" : "Success", j->running ? "running" : "ended", j->last_exit);
    reply(connection, "200 OK", "", body, n);
}

static void on_exit_of(int i) {
    job *j = &jobs[i];
    int status, pid = j->pid;
    long run = j->runs;
    long long started = j->started;
    if (waitpid(pid, &status, 0) < 0) return;
    close(j->pidfd);
    j->running = 0;
    n_running--;
    j->last_exit = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);

    // The next one starts before the books are written: nobody waits for those.
    if (j->continuous && !quitting && !j->gone) start(i);
    if (!j->continuous) finish_output(j);
    char line[512];
    int n = snprintf(line, sizeof line, "{\"job\":\"%s\",\"id\":%ld,\"pid\":%d,\"exit\":%d,\"start\":%lld,\"end\":%lld}\n", j->name, run, pid,
                     j->last_exit, started, wall_ns());
    write_all(history, line, n);
    if (j->waiter >= 0) answer_run(j->waiter, j);
    j->waiter = -1;
}

// ---------------------------------------------------------------------------------------------------- folders

static int period_of(const char *name) {
    char path[512], text[1024];
    snprintf(path, sizeof path, "%s/jobs/triggered/%s/settings.job", root, name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    ssize_t n = read(file, text, sizeof text - 1);
    close(file);
    text[n > 0 ? n : 0] = 0;
    char *every = strstr(text, "*/");
    return every ? atoi(every + 2) : 0;
}

// Takes a folder as a job and starts it when it is continuous. Returns 0 when it has no script yet.
static int take_folder(const char *name, int continuous) {
    char path[512];
    snprintf(path, sizeof path, "%s/jobs/%s/%s/run.sh", root, kind_of(continuous), name);
    if (find(name, continuous) >= 0) return 1;
    if (access(path, F_OK)) return 0;
    if (n_jobs == cap_jobs) jobs = realloc(jobs, (cap_jobs = cap_jobs ? cap_jobs * 2 : 64) * sizeof *jobs);
    job *j = &jobs[n_jobs++];
    *j = (job){.name = strdup(name), .continuous = continuous, .pidfd = -1, .log = -1, .waiter = -1, .pipe = {{-1, -1}, {-1, -1}}};
    if (n_jobs * 2 > (int)mask) table_grow();
    else table_put(n_jobs - 1);
    if (continuous) start(n_jobs - 1);
    else if ((j->every = period_of(name))) n_scheduled++;
    return 1;
}

// Takes a folder now, or watches it until its script is complete.
static void consider(const char *name, int continuous) {
    if (take_folder(name, continuous)) return;
    char path[512];
    snprintf(path, sizeof path, "%s/jobs/%s/%s", root, kind_of(continuous), name);
    int watch = inotify_add_watch(folders, path, IN_CLOSE_WRITE | IN_MOVED_TO);
    if (watch <= 0 || watch >= WATCHES) return;
    watches[watch] = (watched){strdup(name), continuous};
    if (take_folder(name, continuous)) inotify_rm_watch(folders, watch); // it came while the watch was made
}

static void read_folders(int continuous) {
    char path[512];
    snprintf(path, sizeof path, "%s/jobs/%s", root, kind_of(continuous));
    DIR *folder = opendir(path);
    for (struct dirent *e; folder && (e = readdir(folder));)
        if (e->d_name[0] != '.') consider(e->d_name, continuous);
    if (folder) closedir(folder);
}

static void forget(const char *name, int continuous) {
    int i = find(name, continuous);
    if (i < 0) return;
    jobs[i].gone = 1;
    if (jobs[i].running) kill(-jobs[i].pid, SIGTERM);
}

static void on_folder_event(const struct inotify_event *e) {
    if (!e->len || e->name[0] == '.') return;
    int continuous = e->wd == watch_continuous;
    if (!continuous && e->wd != watch_triggered) {
        watched *w = &watches[e->wd];
        if (w->name && !strcmp(e->name, "run.sh") && take_folder(w->name, w->continuous)) inotify_rm_watch(folders, e->wd);
    } else if (e->mask & (IN_DELETE | IN_MOVED_FROM)) {
        forget(e->name, continuous);
    } else {
        consider(e->name, continuous);
    }
}

static void on_folders(void) {
    char text[1 << 16] __attribute__((aligned(8)));
    ssize_t n;
    while ((n = read(folders, text, sizeof text)) > 0)
        for (char *at = text; at < text + n;) {
            struct inotify_event *e = (void *)at;
            at += sizeof *e + e->len;
            on_folder_event(e);
        }
}

// ---------------------------------------------------------------------------------------------------- schedules

static void arm_timer(void) {
    struct itimerspec next_second = {{1, 0}, {wall_ns() / 1000000000 + 1, 0}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &next_second, NULL);
}

static void on_timer(void) {
    uint64_t ticks;
    if (read(timer, &ticks, sizeof ticks) < 0 && errno == ECANCELED) return arm_timer();
    long long second = wall_ns() / 1000000000;
    for (int i = 0; i < n_jobs; i++)
        if (jobs[i].every && second % jobs[i].every == 0 && !jobs[i].running) start(i);
}

// ---------------------------------------------------------------------------------------------------- HTTP

static void reply(int connection, const char *status, const char *headers, const char *body, size_t length) {
    conn *c = conns[connection];
    char small[8192];
    if (!c) return;
    int n = snprintf(small, sizeof small, "HTTP/1.1 %s\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n", status, headers,
                     length);
    if (n + length <= sizeof small) {
        memcpy(small + n, body, length);
        send(c->fd, small, n + length, MSG_NOSIGNAL);
    } else {
        fcntl(c->fd, F_SETFL, 0);
        send(c->fd, small, n, MSG_NOSIGNAL | MSG_MORE);
        write_all(c->fd, body, length);
        fcntl(c->fd, F_SETFL, O_NONBLOCK);
    }
}

static void answer_status(int connection) {
    size_t cap = n_jobs * 300ul + 64, n = 1;
    char *body = malloc(cap);
    body[0] = '[';
    for (int i = 0; i < n_jobs; i++) {
        job *j = &jobs[i];
        if (j->gone) continue;
        n += snprintf(body + n, cap - n, "%s{\"name\":\"%s\",\"type\":\"%s\",\"status\":\"%s\",\"pid\":%d,\"runs\":%ld}", n > 1 ? "," : "",
                      j->name, kind_of(j->continuous), j->running ? "Running" : "Idle", j->pid, j->runs);
    }
    body[n++] = ']';
    reply(connection, "200 OK", "", body, n);
    free(body);
}

// Copies the name that begins at `at`, up to the next slash, and returns the job.
static int triggered_at(const char *at) {
    char name[256];
    size_t length = strcspn(at, "/ ");
    if (length >= sizeof name) return -1;
    memcpy(name, at, length);
    name[length] = 0;
    return find(name, 0);
}

static void trigger(int connection, int i) {
    char location[400];
    if (i < 0) return reply(connection, "404 Not Found", "", "", 0);
    if (jobs[i].running) return reply(connection, "409 Conflict", "", "", 0);
    start(i);
    snprintf(location, sizeof location, "Location: /api/triggeredwebjobs/%s/history/%ld\r\n", jobs[i].name, jobs[i].runs);
    reply(connection, "202 Accepted", location, "", 0);
}

// A run is asked for by its job alone: only the latest is known, and the clients never ask for another.
static void show_run(int connection, int i, int waits) {
    if (i < 0) reply(connection, "404 Not Found", "", "", 0);
    else if (waits && jobs[i].running) jobs[i].waiter = connection;
    else answer_run(connection, &jobs[i]);
}

static void on_request(int connection, const char *text) {
    static const char run[] = "POST /api/triggeredwebjobs/", entry[] = "GET /api/triggeredwebjobs/", wait[] = "GET /api/v1/jobs/triggered/";
    if (!strncmp(text, run, sizeof run - 1)) trigger(connection, triggered_at(text + sizeof run - 1));
    else if (!strncmp(text, entry, sizeof entry - 1)) show_run(connection, triggered_at(text + sizeof entry - 1), 0);
    else if (!strncmp(text, wait, sizeof wait - 1)) show_run(connection, triggered_at(text + sizeof wait - 1), 1);
    else if (!strncmp(text, "GET /api/webjobs", 16)) answer_status(connection);
    else reply(connection, "404 Not Found", "", "", 0);
}

static void on_connection(int i) {
    conn *c = conns[i];
    if (!c) return;
    ssize_t n = read(c->fd, c->text + c->have, sizeof c->text - 1 - c->have);
    if (n <= 0) {
        close(c->fd);
        free(c);
        conns[i] = NULL;
        return;
    }
    c->have += n;
    c->text[c->have] = 0;
    for (char *end; (end = strstr(c->text, "\r\n\r\n"));) {
        size_t length = end + 4 - c->text;
        on_request(i, c->text);
        memmove(c->text, c->text + length, c->have - length + 1);
        c->have -= length;
    }
}

static void on_listener(void) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        int i = 0;
        while (i < CONNS - 1 && conns[i]) i++;
        conns[i] = calloc(1, sizeof **conns);
        conns[i]->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        listen_to(fd, ON_CONN, i);
    }
}

// ---------------------------------------------------------------------------------------------------- life

static void signal_all(int number) {
    for (int i = 0; i < n_jobs; i++)
        if (jobs[i].running) kill(-jobs[i].pid, number);
}

static void open_data(void) {
    static const char *const parts[] = {"data", "data/continuous", "data/triggered"};
    char path[512];
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", root, parts[i]);
        mkdir(path, 0755);
    }
    snprintf(path, sizeof path, "%s/data/history.jsonl", root);
    history = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (history < 0) die(path);
}

static void open_listener(int port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int on = 1;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 1024)) die("listen");
    listen_to(listener, ON_LISTENER, 0);
}

static void open_signals(void) {
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    sigprocmask(SIG_BLOCK, &stops, NULL);
    signal(SIGPIPE, SIG_IGN);
    signals = signalfd(-1, &stops, SFD_CLOEXEC);
    listen_to(signals, ON_SIGNAL, 0);
}

static int watch_kind(int continuous) {
    char path[512];
    snprintf(path, sizeof path, "%s/jobs/%s", root, kind_of(continuous));
    return inotify_add_watch(folders, path, IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM);
}

static void open_folders(void) {
    folders = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    watch_continuous = watch_kind(1);
    watch_triggered = watch_kind(0);
    listen_to(folders, ON_FOLDER, 0);
    read_folders(1);
    read_folders(0);
}

static void say_ready(void) {
    char path[512];
    snprintf(path, sizeof path, "%s/data/ready", root);
    close(open(path, O_WRONLY | O_CREAT, 0644));
}

static void dispatch(enum source source, int i) {
    switch (source) {
    case ON_SIGNAL: {
        struct signalfd_siginfo which;
        if (read(signals, &which, sizeof which) < 0) break;
        quitting = 1;
        signal_all(SIGTERM);
        break;
    }
    case ON_TIMER: on_timer(); break;
    case ON_FOLDER: on_folders(); break;
    case ON_LISTENER: on_listener(); break;
    case ON_CONN: on_connection(i); break;
    case ON_STDOUT: on_output(&jobs[i], 0); break;
    case ON_STDERR: on_output(&jobs[i], 1); break;
    case ON_EXIT: on_exit_of(i); break;
    }
}

static void run_until_stopped(void) {
    struct epoll_event events[EVENTS];
    double kill_at = 0;
    while (!quitting || n_running) {
        int n = epoll_wait(loop, events, EVENTS, quitting ? 200 : -1);
        for (int k = 0; k < n; k++) dispatch((enum source)(events[k].data.u64 >> 32), (int)(uint32_t)events[k].data.u64);
        if (quitting && !kill_at) kill_at = seconds() + STOP_SECONDS;
        if (quitting && seconds() > kill_at) signal_all(SIGKILL);
    }
}

int main(int argc, char **argv) {
    if (argc != 3) return fprintf(stderr, "usage: limithost ROOT PORT\n"), 2;
    root = argv[1];
    in = malloc(IN);
    out = malloc(OUT);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);

    table_grow();
    loop = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    listen_to(timer, ON_TIMER, 0);
    open_data();
    open_signals();
    open_listener(atoi(argv[2]));
    open_folders();
    if (n_scheduled) arm_timer();
    say_ready();
    run_until_stopped();
    return 0;
}
