/*
 * load.c - a bounded closed-loop load generator for HTTP/SSE relays: one
 * thread, epoll.  It sends one prepared request (bytes in a file) over and
 * over and understands just enough of HTTP/1.1 to find where an answer ends.
 * A run of eight '#' in the request is replaced by a counter, so that each
 * request can name something of its own.
 *
 * Counts the "@T<16 hex>" markers that stub.c puts in every chunk and, from
 * them, the latency of each chunk between the stub's write and our read.
 *
 * Options (all bounded; 127.0.0.1 only):
 *   -p PORT  -f FILE   where to and what to send
 *   -c CONNS           connections kept busy              (default 1)
 *   -n COUNT           answers wanted; 0: until the time  (default 0)
 *   -t SECONDS         hard time limit                    (default 10)
 *   -r PER_SECOND      connections opened per second; 0: all at once
 *   -w SECONDS         latencies before that are not counted
 * Prints one JSON line.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_MAX = 16384, KEEP = 4000000 };
enum phase { IDLE, CONNECTING, HEAD, BY_LENGTH, CHUNK_SIZE, CHUNK_DATA, CHUNK_TAIL,
             TRAILER, TO_EOF };

struct conn {
    int fd;
    enum phase phase;
    bool close_after, seen_marker, line_has_data;
    int status;
    uint64_t began, left, size;
    uint64_t mark;          /* marker being read */
    int mark_at;            /* 0 none, 1 '@', 2.. hex digits */
    size_t head_len, sent;
    char *head;
    char *request;          /* this connection's copy: its counter differs */
};

struct samples {
    uint32_t *us;
    size_t n, total;
};

static struct samples first_token, whole, per_chunk;
static char *request;
static size_t request_len, counter_at;   /* counter_at 0: none */
static int port, ep;
static long want;
static unsigned long ok, bad_status, broken, markers, opened, streaming, started;
static unsigned long long bytes;
static uint64_t now, counted_from;
static char complaint[400];
static volatile sig_atomic_t stopping;

static uint64_t mono_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void sample(struct samples *s, uint64_t ns)
{
    if (now < counted_from)
        return;
    if (!s->us)
        s->us = malloc(KEEP * sizeof *s->us);
    s->total++;
    if (s->n < KEEP)
        s->us[s->n++] = ns / 1000 > UINT32_MAX ? UINT32_MAX : (uint32_t)(ns / 1000);
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void print_samples(const char *name, struct samples *s)
{
    if (!s->n) {
        printf(",\"%s\":null", name);
        return;
    }
    qsort(s->us, s->n, sizeof *s->us, by_value);
    printf(",\"%s\":{\"n\":%zu,\"p50\":%u,\"p90\":%u,\"p99\":%u,\"max\":%u}", name, s->total,
           s->us[s->n / 2], s->us[s->n * 9 / 10], s->us[s->n * 99 / 100], s->us[s->n - 1]);
}

static char *load_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        exit(2);
    }
    char *p = malloc(1 << 22);
    *len = fread(p, 1, 1 << 22, f);
    fclose(f);
    return p;
}

static void scan(struct conn *c, const char *p, size_t n)
{
    const char *end = p + n;
    while (p < end) {
        if (c->mark_at == 0) {
            p = memchr(p, '@', (size_t)(end - p));
            if (!p)
                return;
            c->mark_at = 1;
            p++;
            continue;
        }
        char ch = *p++;
        if (c->mark_at == 1) {
            c->mark_at = ch == 'T' ? 2 : ch == '@' ? 1 : 0;
            c->mark = 0;
            continue;
        }
        int v = ch >= '0' && ch <= '9' ? ch - '0' : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
        if (v < 0) {
            c->mark_at = 0;
            continue;
        }
        c->mark = c->mark << 4 | (uint64_t)v;
        if (++c->mark_at == 18) {
            c->mark_at = 0;
            markers++;
            if (c->mark <= now)
                sample(&per_chunk, now - c->mark);
            if (!c->seen_marker) {
                c->seen_marker = true;
                streaming++;
                sample(&first_token, now - c->began);
            }
        }
    }
}

static void watch(struct conn *c, uint32_t what, int op)
{
    struct epoll_event e = {.events = what, .data.ptr = c};
    epoll_ctl(ep, op, c->fd, &e);
}

static void open_conn(struct conn *c)
{
    int one = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->phase = CONNECTING;
    c->began = mono_ns();
    if (connect(c->fd, (struct sockaddr *)&a, sizeof a) && errno != EINPROGRESS) {
        broken++;
        close(c->fd);
        c->fd = -1;
        c->phase = IDLE;
        return;
    }
    opened++;
    watch(c, EPOLLOUT, EPOLL_CTL_ADD);
}

static void close_conn(struct conn *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->phase = IDLE;
    if (c->seen_marker)
        streaming--;
    c->seen_marker = false;
    c->head_len = 0;
}

static bool enough(void)
{
    return stopping || (want && (long)(ok + bad_status + broken) >= want);
}

/* Sends the request (again).  Returns false when the connection broke. */
static bool start(struct conn *c)
{
    c->began = mono_ns();
    c->head_len = c->sent = 0;
    c->mark_at = 0;
    if (c->seen_marker)
        streaming--;
    c->seen_marker = false;
    c->phase = HEAD;
    if (!c->request) {
        c->request = malloc(request_len);
        memcpy(c->request, request, request_len);
    }
    unsigned long number = started++;
    if (counter_at) {
        char digits[9];
        snprintf(digits, sizeof digits, "%08lu", number % 100000000);
        memcpy(c->request + counter_at, digits, 8);
    }
    ssize_t k = send(c->fd, c->request, request_len, MSG_NOSIGNAL);
    if (k < 0 && errno != EAGAIN)
        return false;
    c->sent = k < 0 ? 0 : (size_t)k;
    watch(c, c->sent < request_len ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
    return true;
}

static bool finished(struct conn *c)
{
    if (c->status >= 200 && c->status < 300) {
        ok++;
        sample(&whole, now - c->began);
    } else
        bad_status++;
    if (enough())
        return false;
    if (want && (long)started >= want) {     /* the others are still at it */
        c->phase = IDLE;
        return true;
    }
    if (c->close_after) {
        close_conn(c);
        open_conn(c);
        return true;
    }
    return start(c);
}

static const char *field(const char *head, const char *name)
{
    const char *p = strcasestr(head, name);
    if (!p)
        return NULL;
    p += strlen(name);
    while (*p == ' ')
        p++;
    return p;
}

static bool head_done(struct conn *c)
{
    c->status = atoi(c->head + 9);
    const char *co = field(c->head, "\nconnection:");
    const char *cl = field(c->head, "\ncontent-length:");
    const char *te = field(c->head, "\ntransfer-encoding:");
    c->close_after = co && !strncasecmp(co, "close", 5);
    if (c->status >= 300 && !complaint[0])
        snprintf(complaint, sizeof complaint, "%.390s", c->head);
    if (te && !strncasecmp(te, "chunked", 7)) {
        c->phase = CHUNK_SIZE;
        c->size = 0;
    } else if (cl) {
        c->phase = BY_LENGTH;
        c->left = strtoull(cl, NULL, 10);
        if (!c->left)
            return finished(c);
    } else {
        c->phase = TO_EOF;
        c->close_after = true;
    }
    return true;
}

/* Takes bytes of one answer.  False when the connection is done with. */
static bool take(struct conn *c, const char *p, size_t n)
{
    bytes += n;
    while (n) {
        switch (c->phase) {
        case HEAD: {
            size_t k = HEAD_MAX - 1 - c->head_len;
            if (k > n)
                k = n;
            if (!k)
                return false;
            if (!c->head)
                c->head = malloc(HEAD_MAX);
            size_t before = c->head_len;
            memcpy(c->head + before, p, k);
            c->head_len += k;
            c->head[c->head_len] = 0;
            size_t from = before > 3 ? before - 3 : 0;
            char *end = memmem(c->head + from, c->head_len - from, "\r\n\r\n", 4);
            if (!end) {
                p += k;
                n -= k;
                break;
            }
            size_t used = (size_t)(end - c->head) + 4 - before;
            if (atoi(c->head + 9) == 100) {      /* skip an interim answer */
                c->head_len = 0;
                p += used;
                n -= used;
                break;
            }
            if (atoi(c->head + 9) < 300)
                c->head[before + used] = 0;
            p += used;
            n -= used;
            if (!head_done(c))
                return false;
            break;
        }
        case BY_LENGTH: {
            size_t k = n < c->left ? n : (size_t)c->left;
            scan(c, p, k);
            c->left -= k;
            p += k;
            n -= k;
            if (!c->left)
                return finished(c);
            break;
        }
        case CHUNK_SIZE: {
            char ch = *p++;
            n--;
            if (ch == '\n') {
                c->left = c->size;
                c->phase = c->size ? CHUNK_DATA : TRAILER;
                c->line_has_data = false;
                c->size = 0;
            } else if (ch >= '0' && ch <= '9')
                c->size = c->size << 4 | (uint64_t)(ch - '0');
            else if ((ch | 32) >= 'a' && (ch | 32) <= 'f')
                c->size = c->size << 4 | (uint64_t)((ch | 32) - 'a' + 10);
            break;
        }
        case CHUNK_DATA: {
            size_t k = n < c->left ? n : (size_t)c->left;
            scan(c, p, k);
            c->left -= k;
            p += k;
            n -= k;
            if (!c->left)
                c->phase = CHUNK_TAIL;
            break;
        }
        case CHUNK_TAIL:
            if (*p == '\n')
                c->phase = CHUNK_SIZE;
            p++;
            n--;
            break;
        case TRAILER:
            if (*p == '\n') {
                if (!c->line_has_data)
                    return finished(c);
                c->line_has_data = false;
            } else if (*p != '\r')
                c->line_has_data = true;
            p++;
            n--;
            break;
        case TO_EOF:
            scan(c, p, n);
            n = 0;
            break;
        default:
            return false;
        }
    }
    return true;
}

static void on_stop(int sig)
{
    (void)sig;
    stopping = 1;
}

static void event(struct conn *c, uint32_t what)
{
    static char buf[1 << 18];
    if (c->phase == CONNECTING) {
        int err = 0;
        socklen_t len = sizeof err;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len);
        if (err || !start(c)) {
            broken++;
            close_conn(c);
        }
        return;
    }
    if (what & EPOLLOUT && c->sent < request_len) {
        ssize_t k = send(c->fd, c->request + c->sent, request_len - c->sent, MSG_NOSIGNAL);
        if (k > 0)
            c->sent += (size_t)k;
        if (c->sent == request_len)
            watch(c, EPOLLIN, EPOLL_CTL_MOD);
    }
    if (!(what & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return;
    ssize_t k = recv(c->fd, buf, sizeof buf, 0);
    if (k < 0 && errno == EAGAIN)
        return;
    now = mono_ns();
    if (k <= 0) {
        if (c->phase == TO_EOF && k == 0) {
            c->close_after = true;
            if (finished(c))
                return;
            close_conn(c);
            return;
        }
        if (c->phase == HEAD && !c->head_len && !enough()) {
            /* an idle keep-alive connection that the server closed */
            close_conn(c);
            broken++;
            open_conn(c);
            return;
        }
        broken++;
        close_conn(c);
        if (!enough())
            open_conn(c);
        return;
    }
    if (!take(c, buf, (size_t)k)) {
        if (!enough())
            broken++;
        close_conn(c);
    }
}

int main(int argc, char **argv)
{
    long conns = 1;
    double limit = 10, ramp = 0, warm = 0;
    int opt;
    const char *file = NULL;
    while ((opt = getopt(argc, argv, "p:f:c:n:t:r:w:")) != -1)
        switch (opt) {
        case 'p': port = atoi(optarg); break;
        case 'f': file = optarg; break;
        case 'c': conns = atol(optarg); break;
        case 'n': want = atol(optarg); break;
        case 't': limit = atof(optarg); break;
        case 'r': ramp = atof(optarg); break;
        case 'w': warm = atof(optarg); break;
        default: return 2;
        }
    if (!port || !file || conns < 1 || conns > 200000) {
        fprintf(stderr, "usage: load -p PORT -f REQUEST [-c N] [-n N] [-t S] [-r N] [-w S]\n");
        return 2;
    }
    request = load_file(file, &request_len);
    char *counter = memmem(request, request_len, "########", 8);
    counter_at = counter ? (size_t)(counter - request) : 0;
    struct rlimit files = {1 << 20, 1 << 20};
    if (setrlimit(RLIMIT_NOFILE, &files)) {
        getrlimit(RLIMIT_NOFILE, &files);
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    signal(SIGTERM, on_stop);
    signal(SIGINT, on_stop);
    ep = epoll_create1(0);
    struct conn *all = calloc((size_t)conns, sizeof *all);
    struct epoll_event ev[1024];
    uint64_t t0 = mono_ns();
    counted_from = t0 + (uint64_t)(warm * 1e9);
    uint64_t end = t0 + (uint64_t)(limit * 1e9);
    long made = 0, peak = 0;
    while (!enough()) {
        now = mono_ns();
        if (now >= end)
            break;
        long due = ramp > 0 ? (long)((double)(now - t0) / 1e9 * ramp) + 1 : conns;
        while (made < conns && made < due)
            open_conn(&all[made++]);
        int n = epoll_wait(ep, ev, 1024, made < conns ? 1 : 50);
        for (int i = 0; i < n && !enough(); i++)
            event(ev[i].data.ptr, ev[i].events);
        if ((long)streaming > peak)
            peak = (long)streaming;
    }
    double wall = (double)(mono_ns() - t0) / 1e9;
    struct rusage ru;
    getrusage(RUSAGE_SELF, &ru);
    printf("{\"ok\":%lu,\"bad_status\":%lu,\"broken\":%lu,\"wall\":%.4f,\"rps\":%.2f,"
           "\"markers\":%lu,\"chunk_rate\":%.1f,\"bytes\":%llu,\"opened\":%lu,"
           "\"streaming_peak\":%ld,\"streaming_end\":%lu,\"load_cpu\":%.3f",
           ok, bad_status, broken, wall, (double)ok / wall, markers, (double)markers / wall, bytes,
           opened, peak, streaming,
           (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec)
               + (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6);
    print_samples("ttft_us", &first_token);
    print_samples("total_us", &whole);
    print_samples("chunk_us", &per_chunk);
    printf(",\"complaint\":\"");
    for (const char *p = complaint; *p; p++)
        putchar(*p < ' ' || *p == '"' || *p == '\\' ? '.' : *p);
    printf("\"}\n");
    return 0;
}
