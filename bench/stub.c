/*
 * stub.c - a loopback stand-in for an OpenAI-compatible model server.
 *
 * Built to be far cheaper than anything measured in front of it: one thread,
 * epoll, no allocation on the hot path.  The workload is the model name of the
 * request, so every relay that passes the name on can be put in front of it:
 *
 *   bench-n100-b32-d5-g1-f0
 *      n  content chunks per answer           (default 20)
 *      b  bytes of text in each chunk, >= 20  (default 32)
 *      d  milliseconds between writes         (default 0: as fast as taken)
 *      g  chunks handed over in one write     (default 1)
 *      f  milliseconds before the first byte  (default 0)
 *
 * Every chunk's text starts with a marker "@T" + 16 hex digits: the
 * CLOCK_MONOTONIC nanosecond at which it was written.  A load generator on
 * the same machine subtracts it from its own clock and so gets the latency
 * a relay added to each chunk, and counts chunks even if a relay merges them.
 *
 * Usage: stub PORT   (127.0.0.1 only; stops on SIGTERM or SIGINT)
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
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

enum { WHEEL = 4096, MAX_TEXT = 4096, BATCH = 65536 };

#define CHUNK_HEAD                                                            \
    "data: {\"id\":\"chatcmpl-stub\",\"object\":\"chat.completion.chunk\","   \
    "\"created\":1700000000,\"model\":\"bench\",\"choices\":[{\"index\":0,"   \
    "\"delta\":"
#define CHUNK_TEXT_TAIL "\"},\"finish_reason\":null}]}\n\n"

struct conn {
    int fd;
    bool stream, usage, close_after, busy, want_out;
    unsigned left, text, delay, group;   /* the answer in progress */
    unsigned total;
    uint64_t due;                        /* ms; 0 when not on the wheel */
    struct conn *prev, *next;            /* wheel slot list */
    char *in;
    size_t in_len, in_cap;
    char *out;                           /* bytes the kernel did not take */
    size_t out_len, out_off, out_cap;
};

static struct conn *wheel[WHEEL];
static unsigned long timers;
static int ep;
static volatile sig_atomic_t stopping;
static uint64_t now_ms, seen_ms;
static unsigned long long answers, chunks;

static uint64_t mono_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void unschedule(struct conn *c)
{
    if (!c->due)
        return;
    if (c->prev)
        c->prev->next = c->next;
    else
        wheel[c->due % WHEEL] = c->next;
    if (c->next)
        c->next->prev = c->prev;
    c->due = 0;
    timers--;
}

static void schedule(struct conn *c, unsigned after)
{
    unschedule(c);
    c->due = now_ms + (after ? after : 1);
    struct conn **slot = &wheel[c->due % WHEEL];
    c->prev = NULL;
    c->next = *slot;
    if (*slot)
        (*slot)->prev = c;
    *slot = c;
    timers++;
}

static void drop(struct conn *c)
{
    unschedule(c);
    close(c->fd);
    free(c->in);
    free(c->out);
    free(c);
}

static void watch_out(struct conn *c, bool on)
{
    if (c->want_out == on)
        return;
    c->want_out = on;
    struct epoll_event e = {.events = EPOLLIN | (on ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
}

/* Sends now, keeps what is refused.  False when the peer is gone. */
static bool put(struct conn *c, const char *p, size_t n)
{
    if (c->out_len == c->out_off) {
        ssize_t k = send(c->fd, p, n, MSG_NOSIGNAL);
        if (k < 0) {
            if (errno != EAGAIN)
                return false;
            k = 0;
        }
        if ((size_t)k == n)
            return true;
        p += k;
        n -= (size_t)k;
        c->out_len = c->out_off = 0;
    }
    if (c->out_len + n > c->out_cap) {
        c->out_cap = (c->out_len + n) * 2;
        c->out = realloc(c->out, c->out_cap);
    }
    memcpy(c->out + c->out_len, p, n);
    c->out_len += n;
    watch_out(c, true);
    return true;
}

static char *add(char *to, const char *s, size_t n)
{
    memcpy(to, s, n);
    return to + n;
}

static char *add_marker(char *to, unsigned text)
{
    static const char hex[] = "0123456789abcdef";
    uint64_t t = mono_ns();
    *to++ = '@';
    *to++ = 'T';
    for (int shift = 60; shift >= 0; shift -= 4)
        *to++ = hex[(t >> shift) & 15];
    *to++ = ' ';
    if (text > 19) {
        memset(to, 'x', text - 19);
        to[text - 20] = ' ';
        to += text - 19;
    }
    return to;
}

/* One HTTP chunk holding one SSE event. */
static char *add_event(char *to, const char *delta, size_t n)
{
    size_t body = sizeof CHUNK_HEAD - 1 + n;
    to += sprintf(to, "%zx\r\n", body);
    to = add(to, CHUNK_HEAD, sizeof CHUNK_HEAD - 1);
    to = add(to, delta, n);
    return add(to, "\r\n", 2);
}

static char *add_text_event(char *to, unsigned text)
{
    static const char open[] = "{\"content\":\"";
    unsigned shown = text > 19 ? text : 19;
    size_t body = sizeof CHUNK_HEAD - 1 + sizeof open - 1 + shown + sizeof CHUNK_TEXT_TAIL - 1;
    to += sprintf(to, "%zx\r\n", body);
    to = add(to, CHUNK_HEAD, sizeof CHUNK_HEAD - 1);
    to = add(to, open, sizeof open - 1);
    to = add_marker(to, text);
    to = add(to, CHUNK_TEXT_TAIL, sizeof CHUNK_TEXT_TAIL - 1);
    return add(to, "\r\n", 2);
}

static char *add_end(char *to, const struct conn *c)
{
    static const char stop[] = "{},\"finish_reason\":\"stop\"}]}\n\n";
    to = add_event(to, stop, sizeof stop - 1);
    if (c->usage) {
        char u[256];
        int n = sprintf(u, "data: {\"id\":\"chatcmpl-stub\",\"object\":\"chat.completion.chunk\","
                        "\"created\":1700000000,\"model\":\"bench\",\"choices\":[],\"usage\":"
                        "{\"prompt_tokens\":9,\"completion_tokens\":%u,\"total_tokens\":%u}}\n\n",
                        c->total, c->total + 9);
        to += sprintf(to, "%x\r\n", n);
        to = add(to, u, (size_t)n);
        to = add(to, "\r\n", 2);
    }
    static const char done[] = "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";
    return add(to, done, sizeof done - 1);
}

static bool serve_input(struct conn *c);

static bool finish(struct conn *c)
{
    answers++;
    c->busy = false;
    if (c->close_after && c->out_len == c->out_off)
        return false;
    return serve_input(c);
}

/* Writes what is due.  False when the connection must be dropped. */
static bool step(struct conn *c)
{
    static char buf[BATCH + 4 * MAX_TEXT];
    if (!c->stream) {
        static char json[MAX_TEXT * 64 + 1024];
        static const char head[] = "{\"id\":\"chatcmpl-stub\",\"object\":\"chat.completion\","
            "\"created\":1700000000,\"model\":\"bench\",\"choices\":[{\"index\":0,\"message\":"
            "{\"role\":\"assistant\",\"content\":\"";
        char *j = add(json, head, sizeof head - 1);
        size_t want = (size_t)c->total * c->text;
        if (want > MAX_TEXT * 64)
            want = MAX_TEXT * 64;
        j = add_marker(j, (unsigned)want);
        j += sprintf(j, "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":9,"
                     "\"completion_tokens\":%u,\"total_tokens\":%u}}", c->total, c->total + 9);
        char h[160];
        int n = sprintf(h, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                        "Content-Length: %zu\r\n\r\n", (size_t)(j - json));
        memmove(json + n, json, (size_t)(j - json));
        memcpy(json, h, (size_t)n);
        chunks++;
        return put(c, json, (size_t)(j - json) + (size_t)n) && finish(c);
    }
    for (;;) {
        char *p = buf;
        if (c->left == c->total) {
            static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; "
                "charset=utf-8\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";
            static const char role[] = "{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n";
            p = add(p, head, sizeof head - 1);
            p = add_event(p, role, sizeof role - 1);
        }
        for (unsigned i = 0; i < c->group && c->left && p - buf < BATCH; i++, c->left--, chunks++)
            p = add_text_event(p, c->text);
        if (!c->left)
            p = add_end(p, c);
        if (!put(c, buf, (size_t)(p - buf)))
            return false;
        if (!c->left)
            return finish(c);
        if (c->delay) {
            schedule(c, c->delay);
            return true;
        }
        if (c->out_len != c->out_off)
            return true;                 /* resumed by EPOLLOUT */
    }
}

static unsigned knob(const char *name, const char *end, char key, unsigned dflt, unsigned max)
{
    for (const char *p = name; p + 1 < end; p++)
        if (p[0] == '-' && p[1] == key && p + 2 < end && p[2] >= '0' && p[2] <= '9') {
            unsigned long v = strtoul(p + 2, NULL, 10);
            return v > max ? max : (unsigned)v;
        }
    return dflt;
}

static bool has_true(const char *body, size_t n, const char *key)
{
    size_t k = strlen(key);
    const char *p = body, *end = body + n;
    while ((p = memmem(p, (size_t)(end - p), key, k))) {
        p += k;
        while (p < end && (*p == ' ' || *p == ':'))
            p++;
        if (end - p >= 4 && !memcmp(p, "true", 4))
            return true;
    }
    return false;
}

static bool answer(struct conn *c, const char *body, size_t n, bool post)
{
    if (!post) {
        static const char list[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            "Content-Length: 79\r\n\r\n{\"object\":\"list\",\"data\":[{\"id\":\"bench\","
            "\"object\":\"model\",\"owned_by\":\"stub\"}]}    ";
        return put(c, list, sizeof list - 1);
    }
    const char *end = body + n, *name = memmem(body, n, "bench-", 6);
    if (!name)
        name = end;
    const char *stop = name;
    while (stop < end && (isalnum((unsigned char)*stop) || *stop == '-'))
        stop++;
    c->total = c->left = knob(name, stop, 'n', 20, 10000000);
    c->text = knob(name, stop, 'b', 32, MAX_TEXT);
    c->delay = knob(name, stop, 'd', 0, 3600000);
    c->group = knob(name, stop, 'g', 1, 100000);
    unsigned first = knob(name, stop, 'f', 0, 3600000);
    c->stream = has_true(body, n, "\"stream\"");
    c->usage = has_true(body, n, "\"include_usage\"");
    c->busy = true;
    if (!c->group)
        c->group = 1;
    if (first) {
        schedule(c, first);
        return true;
    }
    return step(c);
}

static const char *header(const char *head, size_t n, const char *name, size_t k)
{
    for (const char *p = head, *end = head + n; (p = memchr(p, '\n', (size_t)(end - p)));) {
        p++;
        if ((size_t)(end - p) > k && !strncasecmp(p, name, k) && p[k] == ':') {
            p += k + 1;
            while (*p == ' ')
                p++;
            return p;
        }
    }
    return NULL;
}

/* Length of a complete chunked body at p and, in place, its decoded form. */
static ssize_t unchunk(char *p, size_t n, size_t *decoded)
{
    size_t at = 0, to = 0;
    for (;;) {
        char *nl = memchr(p + at, '\n', n - at);
        if (!nl)
            return -1;
        size_t size = strtoul(p + at, NULL, 16), data = (size_t)(nl - p) + 1;
        if (data + size + 2 > n)
            return -1;
        memmove(p + to, p + data, size);
        to += size;
        at = data + size + 2;
        if (!size) {
            *decoded = to;
            return (ssize_t)at;
        }
    }
}

/* Serves complete requests in the input buffer, one at a time. */
static bool serve_input(struct conn *c)
{
    while (!c->busy && c->in_len) {
        char *end = memmem(c->in, c->in_len, "\r\n\r\n", 4);
        if (!end)
            return true;
        size_t head = (size_t)(end - c->in) + 4, body = 0, used;
        const char *te = header(c->in, head, "transfer-encoding", 17);
        const char *cl = header(c->in, head, "content-length", 14);
        const char *co = header(c->in, head, "connection", 10);
        if (te && !strncasecmp(te, "chunked", 7)) {
            char *copy = c->in + head;
            /* only decode once the terminator has come */
            if (c->in_len - head < 5 || memcmp(c->in + c->in_len - 5, "0\r\n\r\n", 5))
                return true;
            ssize_t k = unchunk(copy, c->in_len - head, &body);
            if (k < 0)
                return true;
            used = head + (size_t)k;
        } else {
            body = cl ? strtoul(cl, NULL, 10) : 0;
            used = head + body;
            if (c->in_len < used)
                return true;
        }
        c->close_after = co && !strncasecmp(co, "close", 5);
        static char *work;
        static size_t work_cap;
        if (body + 1 > work_cap)
            work = realloc(work, work_cap = body * 2 + 1);
        memcpy(work, c->in + head, body);
        work[body] = 0;
        bool post = !memcmp(c->in, "POST", 4);
        memmove(c->in, c->in + used, c->in_len - used);
        c->in_len -= used;
        if (!answer(c, work, body, post))
            return false;
    }
    return true;
}

static bool readable(struct conn *c)
{
    for (;;) {
        if (c->in_cap - c->in_len < 4096) {
            c->in_cap = c->in_cap ? c->in_cap * 2 : 8192;
            c->in = realloc(c->in, c->in_cap);
        }
        ssize_t k = recv(c->fd, c->in + c->in_len, c->in_cap - c->in_len, 0);
        if (k == 0)
            return false;
        if (k < 0)
            return errno == EAGAIN ? serve_input(c) : false;
        c->in_len += (size_t)k;
        if (c->in_len < c->in_cap)
            return serve_input(c);
    }
}

static bool writable(struct conn *c)
{
    if (c->out_len > c->out_off) {
        ssize_t k = send(c->fd, c->out + c->out_off, c->out_len - c->out_off, MSG_NOSIGNAL);
        if (k < 0)
            return errno == EAGAIN;
        c->out_off += (size_t)k;
    }
    if (c->out_len != c->out_off)
        return true;
    watch_out(c, false);
    if (c->busy && !c->due)
        return step(c);
    return !(c->close_after && !c->busy);
}

static void on_stop(int sig)
{
    (void)sig;
    stopping = 1;
}

static void run_timers(void)
{
    for (; seen_ms <= now_ms; seen_ms++) {
        struct conn *c = wheel[seen_ms % WHEEL], *next;
        for (; c; c = next) {
            next = c->next;
            if (c->due > seen_ms)
                continue;
            unschedule(c);
            if (!step(c))
                drop(c);
        }
    }
}

int main(int argc, char **argv)
{
    int port = argc > 1 ? atoi(argv[1]) : 0, one = 1;
    if (port < 1 || port > 65535) {
        fprintf(stderr, "usage: stub PORT\n");
        return 2;
    }
    struct rlimit files = {1 << 20, 1 << 20};
    if (setrlimit(RLIMIT_NOFILE, &files)) {
        getrlimit(RLIMIT_NOFILE, &files);
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    signal(SIGTERM, on_stop);
    signal(SIGINT, on_stop);
    signal(SIGPIPE, SIG_IGN);
    int ls = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(ls, (struct sockaddr *)&a, sizeof a) || listen(ls, 16384)) {
        perror("stub: cannot listen");
        return 1;
    }
    ep = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL}, ev[1024];
    epoll_ctl(ep, EPOLL_CTL_ADD, ls, &e);
    now_ms = seen_ms = mono_ns() / 1000000;
    while (!stopping) {
        int n = epoll_wait(ep, ev, 1024, timers ? 1 : 1000);
        now_ms = mono_ns() / 1000000;
        for (int i = 0; i < n; i++) {
            struct conn *c = ev[i].data.ptr;
            if (!c) {
                int fd;
                while ((fd = accept4(ls, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                    c = calloc(1, sizeof *c);
                    c->fd = fd;
                    struct epoll_event ne = {.events = EPOLLIN, .data.ptr = c};
                    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ne);
                }
                continue;
            }
            bool ok = true;
            if (ev[i].events & (EPOLLERR | EPOLLHUP))
                ok = false;
            if (ok && ev[i].events & EPOLLOUT)
                ok = writable(c);
            if (ok && ev[i].events & EPOLLIN)
                ok = readable(c);
            if (!ok)
                drop(c);
        }
        if (!timers)
            seen_ms = now_ms;
        else
            run_timers();
    }
    fprintf(stderr, "stub: %llu answers, %llu chunks\n", answers, chunks);
    return 0;
}
