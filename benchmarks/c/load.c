/* Load generator: N WebSocket connections, each a closed loop with one transfer in flight.
 *
 *   load transfers|idle HOST PORT PATH CREDENTIALS RECIPIENTS CONNECTIONS LISTENERS
 *        WARMUP_S MEASURE_S KEYS(0|1) SEED
 *
 * CREDENTIALS holds lines "TOKEN USER_ID": the first CONNECTIONS lines pay, the next LISTENERS
 * only receive. RECIPIENTS holds one user id a line; each request pays one at random, never the
 * payer. Progress goes to stdout, one word a line (ready, measuring, measured), then one line of
 * JSON. `idle` stops when stdin ends. One thread, one epoll, blocking connect: loopback only.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER 8192      /* a whole server frame must fit */
#define HANDSHAKES 100   /* in flight at once: below any listen backlog */
#define DRAIN_NS 15000000000ull

enum state { UPGRADING, GREETING, READY, LOST };
enum kind { SUCCESS, REFUSED, EVENT, GREETED, OTHER };

struct conn {
    int fd, state, in_flight;
    uint32_t have;
    uint64_t sent_ns;
    char token[1024], user[32], buffer[BUFFER];
};

static struct conn *conns;
static int epoll, payers, everyone, ready, lost, sending, use_keys;
static uint64_t rng, run_id, requests;
static char **recipients;
static long recipient_count;
static long successes, refusals, events, unanswered;             /* of the whole run */
static long window_successes, window_refusals, window_events;    /* of the measured window */
static uint32_t *samples_us;
static size_t sample_count, sample_room;
static uint64_t window_from, window_until;
static char first_refusal[256];

static void die(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static double cpu_seconds(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static uint64_t rand64(void) { /* xorshift64 */
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return rng;
}

/* A frame is ~200 bytes and one is in flight: a full send buffer means a broken server. */
static void send_frame(struct conn *c, int opcode, const char *payload, size_t length) {
    unsigned char frame[1024], mask[4];
    size_t at = 2;
    uint32_t key = (uint32_t)rand64();
    memcpy(mask, &key, 4);
    frame[0] = (unsigned char)(0x80 | opcode);
    if (length < 126) {
        frame[1] = (unsigned char)(0x80 | length);
    } else {
        frame[1] = 0x80 | 126;
        frame[at++] = (unsigned char)(length >> 8);
        frame[at++] = (unsigned char)(length & 255);
    }
    memcpy(frame + at, mask, 4);
    at += 4;
    for (size_t i = 0; i < length; i++) frame[at + i] = (unsigned char)payload[i] ^ mask[i & 3];
    at += length;
    if (send(c->fd, frame, at, MSG_NOSIGNAL) != (ssize_t)at) die("short send");
}

static void send_transfer(struct conn *c) {
    char text[512];
    const char *to = recipients[rand64() % (uint64_t)recipient_count];
    if (strcmp(to, c->user) == 0) {
        if (recipient_count == 1) die("a payer would pay itself");
        to = to == recipients[0] ? recipients[1] : recipients[0];
    }
    int n = snprintf(text, sizeof text,
                     "{\"type\":\"transfer\",\"data\":{\"to_user_id\":\"%s\",\"amount\":0.01,"
                     "\"currency\":\"USD\",\"description\":\"Payment for services\"", to);
    if (use_keys)
        n += snprintf(text + n, sizeof text - (size_t)n, ",\"idempotency_key\":\"%016lx-%lu\"",
                      run_id, requests);
    n += snprintf(text + n, sizeof text - (size_t)n, "}}");
    requests++;
    c->in_flight = 1;
    c->sent_ns = now_ns();
    send_frame(c, 1, text, (size_t)n);
}

static int kind_of(const char *payload, size_t length) {
    const char *p = memmem(payload, length, "\"type\"", 6), *end = payload + length;
    if (!p) return OTHER;
    for (p += 6; p < end && (*p == ':' || *p == ' ' || *p == '"'); p++) {}
    size_t left = (size_t)(end - p);
    if (left >= 8 && memcmp(p, "success\"", 8) == 0) return SUCCESS;
    if (left >= 6 && memcmp(p, "error\"", 6) == 0) return REFUSED;
    if (left >= 18 && memcmp(p, "transfer_received\"", 18) == 0) return EVENT;
    if (left >= 10 && memcmp(p, "connected\"", 10) == 0) return GREETED;
    return OTHER;
}

static void lose(struct conn *c) {
    if (c->in_flight) unanswered++;
    close(c->fd);
    c->state = LOST;
    c->in_flight = 0;
    lost++;
}

static void record(uint64_t took_ns) {
    if (sample_count == sample_room) {
        sample_room = sample_room ? sample_room * 2 : 1 << 20;
        samples_us = realloc(samples_us, sample_room * sizeof *samples_us);
        if (!samples_us) die("realloc");
    }
    samples_us[sample_count++] = (uint32_t)(took_ns / 1000);
}

static void answered(struct conn *c, int kind, const char *payload, size_t length) {
    uint64_t now = now_ns();
    int inside = now >= window_from && now < window_until;
    if (!c->in_flight) die("a reply nobody asked for");
    c->in_flight = 0;
    if (kind == SUCCESS) {
        successes++;
        window_successes += inside;
        /* Nothing is sent after the window, so the slowest requests, answered only while
           draining, count in the latencies too. */
        if (now >= window_from) record(now - c->sent_ns);
    } else {
        refusals++;
        window_refusals += inside;
        if (!first_refusal[0])
            snprintf(first_refusal, sizeof first_refusal, "%.*s", (int)length, payload);
    }
    if (sending) send_transfer(c);
}

static void take_text(struct conn *c, const char *payload, size_t length) {
    int kind = kind_of(payload, length);
    if (kind == GREETED && c->state == GREETING) {
        c->state = READY;
        ready++;
    } else if (kind == EVENT) {
        uint64_t now = now_ns();
        events++;
        window_events += now >= window_from && now < window_until;
    } else if (kind == SUCCESS || kind == REFUSED) {
        answered(c, kind, payload, length);
    }
}

/* Returns the bytes of one complete frame taken from p, 0 when more must be read. */
static size_t take_frame(struct conn *c, const char *p, size_t have) {
    const unsigned char *b = (const unsigned char *)p;
    size_t head = 2, length;
    if (have < 2) return 0;
    length = b[1] & 127;
    if (length == 126) {
        if (have < 4) return 0;
        length = (size_t)b[2] << 8 | b[3];
        head = 4;
    } else if (length == 127) {
        die("a frame larger than any this protocol has");
    }
    if (head + length > BUFFER) die("a frame larger than the buffer");
    if (have < head + length) return 0;
    switch (b[0]) {
    case 0x81: take_text(c, p + head, length); break;
    case 0x89: send_frame(c, 10, p + head, length); break;
    case 0x8a: break;
    case 0x88: lose(c); break;
    default: die("an unexpected frame");
    }
    return head + length;
}

static size_t take_upgrade(struct conn *c, size_t have) {
    char *end = memmem(c->buffer, have, "\r\n\r\n", 4);
    if (!end) return 0;
    if (have < 12 || memcmp(c->buffer + 9, "101", 3) != 0) {
        fprintf(stderr, "load: refused: %.*s\n", (int)have, c->buffer);
        exit(1);
    }
    c->state = GREETING;
    return (size_t)(end - c->buffer) + 4;
}

static void readable(struct conn *c) {
    ssize_t n = recv(c->fd, c->buffer + c->have, BUFFER - c->have, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        lose(c);
        return;
    }
    c->have += (uint32_t)n;
    size_t at = 0, took;
    while (c->state != LOST) {
        took = c->state == UPGRADING ? take_upgrade(c, c->have)
                                     : take_frame(c, c->buffer + at, c->have - at);
        if (!took) break;
        at += took;
    }
    if (c->state == LOST) return;
    c->have -= (uint32_t)at;
    if (c->have && at) memmove(c->buffer, c->buffer + at, c->have);
}

static void turn(int timeout_ms) {
    struct epoll_event ready_now[256];
    int n = epoll_wait(epoll, ready_now, 256, timeout_ms);
    if (n < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < n; i++) {
        struct conn *c = ready_now[i].data.ptr;
        if (c->state != LOST) readable(c);
    }
}

static void open_one(struct conn *c, const char *host, int port, const char *path) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct epoll_event want = {.events = EPOLLIN, .data.ptr = c};
    char text[2048];
    int one = 1;
    inet_pton(AF_INET, host, &to.sin_addr);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0) die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    int n = snprintf(text, sizeof text,
                     "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                     "Sec-WebSocket-Version: 13\r\nAuthorization: Bearer %s\r\n\r\n",
                     path, host, port, c->token);
    if (send(c->fd, text, (size_t)n, MSG_NOSIGNAL) != n) die("send upgrade");
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &want) < 0) die("epoll_ctl");
}

static void open_all(const char *host, int port, const char *path) {
    uint64_t until = now_ns() + 60000000000ull + (uint64_t)everyone * 10000000ull;
    for (int opened = 0; ready < everyone;) {
        while (opened < everyone && opened - ready < HANDSHAKES)
            open_one(&conns[opened++], host, port, path);
        turn(100);
        if (lost) die("a connection was lost before it was greeted");
        if (now_ns() > until) die("the connections were not greeted in time");
    }
}

static void read_credentials(const char *path) {
    FILE *f = fopen(path, "r");
    if (!f) die(path);
    conns = calloc((size_t)everyone, sizeof *conns);
    if (!conns) die("calloc");
    for (int i = 0; i < everyone; i++)
        if (fscanf(f, "%1023s %31s", conns[i].token, conns[i].user) != 2) die("too few credentials");
    fclose(f);
}

static void read_recipients(const char *path) {
    FILE *f = fopen(path, "r");
    char id[32];
    long room = 0;
    if (!f) die(path);
    while (fscanf(f, "%31s", id) == 1) {
        if (recipient_count == room) {
            room = room ? room * 2 : 1024;
            recipients = realloc(recipients, (size_t)room * sizeof *recipients);
            if (!recipients) die("realloc");
        }
        recipients[recipient_count++] = strdup(id);
    }
    fclose(f);
    if (!recipient_count) die("no recipients");
}

static void say(const char *word) {
    puts(word);
    fflush(stdout);
}

static void idle(void) {
    struct pollfd in = {.fd = 0, .events = POLLIN};
    while (poll(&in, 1, 0) == 0) turn(200);
    printf("{\"connections\":%d,\"lost\":%d}\n", everyone, lost);
}

static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t percentile_us(double p) {
    if (!sample_count) return 0;
    size_t at = (size_t)(p * (double)sample_count);
    return samples_us[at < sample_count ? at : sample_count - 1];
}

static void print_result(double seconds, double cpu) {
    qsort(samples_us, sample_count, sizeof *samples_us, by_value);
    printf("{\"transfers\":%ld,\"seconds\":%.6f,\"refusals\":%ld,\"events\":%ld,\"lost\":%d,",
           window_successes, seconds, window_refusals, window_events, lost);
    printf("\"p50_us\":%u,\"p99_us\":%u,\"p999_us\":%u,\"max_us\":%u,\"cpu_s\":%.4f,",
           percentile_us(0.5), percentile_us(0.99), percentile_us(0.999), percentile_us(1.0), cpu);
    printf("\"total_successes\":%ld,\"total_refusals\":%ld,\"total_events\":%ld,", successes,
           refusals, events);
    printf("\"unanswered\":%ld,\"first_refusal\":\"", unanswered);
    for (const char *p = first_refusal; *p; p++)
        printf(*p == '"' || *p == '\\' ? "\\%c" : "%c", *p < ' ' && *p >= 0 ? ' ' : *p);
    puts("\"}");
}

static void transfers(double warmup_s, double measure_s) {
    sending = 1;
    window_from = now_ns() + (uint64_t)(warmup_s * 1e9);
    window_until = window_from + (uint64_t)(measure_s * 1e9);
    for (int i = 0; i < payers; i++) send_transfer(&conns[i]);
    while (now_ns() < window_from && lost < everyone) turn(1);
    say("measuring");
    double cpu = cpu_seconds();
    while (now_ns() < window_until && lost < everyone) turn(1);
    cpu = cpu_seconds() - cpu;
    sending = 0;
    say("measured");
    for (uint64_t until = now_ns() + DRAIN_NS; now_ns() < until;) {
        int open = 0;
        for (int i = 0; i < payers; i++) open += conns[i].in_flight;
        if (!open) break;
        turn(10);
    }
    for (int i = 0; i < payers; i++) unanswered += conns[i].in_flight;
    print_result(measure_s, cpu);
}

int main(int argc, char **argv) {
    if (argc != 13) {
        fprintf(stderr, "load: see the head of load.c for the twelve arguments\n");
        return 2;
    }
    payers = atoi(argv[7]);
    everyone = payers + atoi(argv[8]);
    use_keys = atoi(argv[11]);
    rng = strtoull(argv[12], NULL, 10) * 2654435761u + 88172645463325252ull;
    run_id = now_ns();
    epoll = epoll_create1(0);
    read_credentials(argv[5]);
    open_all(argv[2], atoi(argv[3]), argv[4]);
    say("ready");
    if (strcmp(argv[1], "idle") == 0) {
        idle();
        return 0;
    }
    read_recipients(argv[6]);
    transfers(atof(argv[9]), atof(argv[10]));
    return 0;
}
