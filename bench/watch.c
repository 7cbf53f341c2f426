/*
 * watch.c - a thousand watchers of the gateway's WebSocket events in one
 * process: one thread, epoll, as few cycles for an event as reading it takes.
 *
 * Opens CONNS connections to 127.0.0.1, does the upgrade and the handshake on
 * each (a few at a time: the gateway bounds how many wait to be let in), and
 * reads events from then on.  Each event's frame number must be one more than
 * the one before on its connection.  Pings are answered.
 *
 * "agent" events of streamed text carry the "@T<16 hex>" markers of stub.c; the
 * newest one of an event gives the time from the stub's write to our read.
 *
 * Usage: watch PORT CONNS TOKEN
 * Prints a line "ready N" when all are let in, then one JSON line for each
 * line it reads on standard input: what came since the last.  Ends at the end
 * of its input.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { AT_ONCE = 16, READ_SIZE = 1 << 18, KEEP = 1 << 22 };
enum phase { UPGRADING, GREETED, WATCHING, GONE };

struct conn {
    int fd;
    enum phase phase;
    unsigned long seq;      /* number of the last event; 0: none yet */
    char *held;             /* an incomplete frame, or head of the answer */
    size_t held_len, held_cap;
};

static struct conn *conns;
static int ep, port, count, opened, ready;
static const char *token;
static unsigned long events, holes, lost, closes;
static unsigned long long bytes;
static uint32_t *latency;
static size_t latencies;
static uint64_t now;

static uint64_t mono_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void give_up(const char *why)
{
    fprintf(stderr, "watch: %s\n", why);
    exit(1);
}

/* Small enough for the socket's empty buffer. */
static void put(struct conn *c, const void *data, size_t len)
{
    if (send(c->fd, data, len, MSG_NOSIGNAL) != (ssize_t)len)
        give_up("a request was not taken");
}

static void put_frame(struct conn *c, unsigned char opcode, const char *payload, size_t len)
{
    unsigned char frame[4096] = { 0x80 | opcode };
    size_t head = 2;
    if (len > sizeof frame - 8)
        give_up("a frame is too long");
    frame[1] = 0x80 | (len < 126 ? len : 126);
    if (len >= 126) {
        frame[2] = len >> 8;
        frame[3] = len & 255;
        head = 4;
    }
    head += 4;              /* a mask of zeros */
    memcpy(frame + head, payload, len);
    put(c, frame, head + len);
}

static void open_next(void)
{
    static const char upgrade[] =
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct conn *c = &conns[opened++];
    int on = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to))
        give_up("cannot connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
    epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
    put(c, upgrade, sizeof upgrade - 1);
}

static void log_in(struct conn *c)
{
    char text[2048];
    int len = snprintf(text, sizeof text,
        "{\"type\":\"req\",\"id\":\"hello\",\"method\":\"connect\",\"params\":{\"minProtocol\":4,"
        "\"maxProtocol\":4,\"client\":{\"id\":\"cli\",\"version\":\"1\",\"platform\":\"linux\","
        "\"mode\":\"cli\"},\"role\":\"operator\",\"scopes\":[\"operator.read\"],"
        "\"auth\":{\"token\":\"%s\"}}}", token);
    put_frame(c, 1, text, (size_t)len);
}

static void take_event(struct conn *c, const char *text, size_t len)
{
    /* ... ,"seq":123} */
    const char *p = text + len - 1, *end;
    unsigned long seq = 0, scale = 1;
    for (p--; p > text && *p >= '0' && *p <= '9'; p--, scale *= 10)
        seq += (unsigned long)(*p - '0') * scale;
    if (seq != c->seq + 1)
        holes++;
    c->seq = seq;
    events++;
    if (len < 30 || memcmp(text, "{\"type\":\"event\",\"event\":\"agent\"", 30))
        return;             /* chat events are held back on purpose */
    for (end = text + len; (p = memrchr(text, '@', (size_t)(end - text))); end = p)
        if (text + len - p > 18 && p[1] == 'T') {
            uint64_t then = strtoull(p + 2, NULL, 16);
            if (then && then <= now && latencies < KEEP)
                latency[latencies++] = (uint32_t)((now - then) / 1000);
            return;
        }
}

static void take(struct conn *c, unsigned char opcode, const char *payload, size_t len)
{
    if (opcode == 9)
        put_frame(c, 10, payload, len);
    else if (opcode == 8)
        closes++;
    else if (c->phase == UPGRADING) {       /* the challenge */
        c->phase = GREETED;
        log_in(c);
    } else if (c->phase == GREETED) {
        if (!memmem(payload, len, "\"hello-ok\"", 10))
            give_up("not let in");
        c->phase = WATCHING;
        ready++;
        if (opened < count)
            open_next();
    } else
        take_event(c, payload, len);
}

/* Takes whole frames off the front; how many bytes they were. */
static size_t frames(struct conn *c, const char *data, size_t len)
{
    size_t at = 0;
    while (len - at >= 2) {
        const unsigned char *p = (const unsigned char *)data + at;
        size_t head = 2, size = p[1] & 127;
        if (size == 126) {
            if (len - at < 4)
                break;
            size = (size_t)p[2] << 8 | p[3];
            head = 4;
        } else if (size == 127) {
            if (len - at < 10)
                break;
            for (size = 0, head = 2; head < 10; head++)
                size = size << 8 | p[head];
        }
        if (len - at < head + size)
            break;
        take(c, p[0] & 15, data + at + head, size);
        at += head + size;
    }
    return at;
}

static void readable(struct conn *c)
{
    static char buffer[READ_SIZE];
    ssize_t got = recv(c->fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        close(c->fd);
        c->phase = GONE;
        lost++;
        return;
    }
    bytes += (unsigned long long)got;
    char *data = buffer;
    size_t len = (size_t)got, used;
    if (c->held_len) {
        if (c->held_len + len > c->held_cap) {
            c->held_cap = c->held_len + len;
            c->held = realloc(c->held, c->held_cap);
        }
        memcpy(c->held + c->held_len, buffer, len);
        data = c->held;
        len += c->held_len;
    }
    used = 0;
    if (c->phase == UPGRADING && len && data[0] == 'H') {
        char *end = memmem(data, len, "\r\n\r\n", 4);
        if (end && strncmp(data, "HTTP/1.1 101", 12))
            give_up("no upgrade");
        used = end ? (size_t)(end - data) + 4 : 0;
    }
    if (c->phase != UPGRADING || used || data[0] != 'H')
        used += frames(c, data + used, len - used);
    c->held_len = len - used;
    if (!c->held_len) {
        free(c->held);
        c->held = NULL;
        c->held_cap = 0;
    } else if (data == c->held)
        memmove(c->held, data + used, c->held_len);
    else {
        c->held_cap = c->held_len;
        c->held = realloc(c->held, c->held_cap);
        memcpy(c->held, data + used, c->held_len);
    }
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void report(void)
{
    printf("{\"events\":%lu,\"bytes\":%llu,\"holes\":%lu,\"lost\":%lu,\"closes\":%lu", events, bytes, holes, lost,
           closes);
    if (latencies) {
        qsort(latency, latencies, sizeof *latency, by_value);
        printf(",\"us\":{\"p50\":%u,\"p99\":%u,\"max\":%u}", latency[latencies / 2], latency[latencies * 99 / 100],
               latency[latencies - 1]);
    }
    puts("}");
    fflush(stdout);
    events = latencies = 0;
    bytes = 0;
}

int main(int argc, char **argv)
{
    bool told = false;
    if (argc != 4)
        give_up("usage: watch PORT CONNS TOKEN");
    port = atoi(argv[1]);
    count = atoi(argv[2]);
    token = argv[3];
    conns = calloc((size_t)count, sizeof *conns);
    latency = malloc(KEEP * sizeof *latency);
    ep = epoll_create1(0);
    struct epoll_event input = { .events = EPOLLIN, .data.ptr = NULL };
    epoll_ctl(ep, EPOLL_CTL_ADD, 0, &input);
    while (opened < count && opened < AT_ONCE)
        open_next();
    for (;;) {
        struct epoll_event ready_now[256];
        int n = epoll_wait(ep, ready_now, 256, -1);
        now = mono_ns();
        for (int i = 0; i < n; i++) {
            if (ready_now[i].data.ptr) {
                readable(ready_now[i].data.ptr);
                continue;
            }
            char line[256];
            if (read(0, line, sizeof line) <= 0)
                return 0;
            report();
        }
        if (!told && ready == count) {
            told = true;
            printf("ready %d\n", ready);
            fflush(stdout);
        }
    }
}
