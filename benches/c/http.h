// A client of HTTP/1.1 with one connection kept open to a port of this machine. Reads `Content-Length` answers only, which
// is all that the measured hosts send on these paths. Further headers (credentials) come from HTTP_HEADERS.
#pragma once
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
    int port, fd;
    size_t cap;
    char *text; // the answer: head, then body
    char *body;
} client;

static client client_new(int port) {
    client c = {.port = port, .fd = -1, .cap = 1 << 16};
    c.text = malloc(c.cap);
    return c;
}

static void client_connect(client *c) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(c->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to)) {
        perror("connect");
        exit(1);
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void client_close(client *c) {
    close(c->fd);
    c->fd = -1;
}

// Receives once; grows the buffer when it is full. Returns the new length, or -1 when the connection has ended.
static ssize_t client_more(client *c, size_t have) {
    if (have + 1 >= c->cap) c->text = realloc(c->text, c->cap *= 2);
    ssize_t n = recv(c->fd, c->text + have, c->cap - have - 1, 0);
    if (n <= 0) return -1;
    c->text[have + n] = 0;
    return (ssize_t)have + n;
}

// Returns where the value of a header begins, or NULL. `name` is in lower case with its colon.
static const char *client_header(const client *c, const char *name) {
    const char *at = strcasestr(c->text, name);
    if (!at || at >= c->body) return NULL;
    at += strlen(name);
    return at + strspn(at, " ");
}

// Sends one request and reads its whole answer. Returns the status code, or -1 when the connection broke.
static int client_ask(client *c, const char *method, const char *path) {
    const char *more = getenv("HTTP_HEADERS");
    char head[4096];
    int n = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%sContent-Length: 0\r\n\r\n", method, path,
                     c->port, more ? more : "");
    if (c->fd < 0) client_connect(c);
    if (send(c->fd, head, n, MSG_NOSIGNAL) != n) return client_close(c), -1;

    ssize_t have = 0;
    c->text[0] = 0;
    while (!(c->body = strstr(c->text, "\r\n\r\n")))
        if ((have = client_more(c, have)) < 0) return client_close(c), -1;
    c->body += 4;
    const char *length = client_header(c, "content-length:");
    ssize_t whole = c->body - c->text + (length ? atol(length) : 0);
    size_t head_length = c->body - c->text;
    while (have < whole)
        if ((have = client_more(c, have)) < 0) return client_close(c), -1;
    c->body = c->text + head_length; // the buffer may have moved
    return atoi(c->text + 9);
}
