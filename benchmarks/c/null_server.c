/* Null server: upgrades every WebSocket, greets it, and answers every frame with one fixed reply.
 *
 *   null_server PORT     (serves until killed)
 *
 * It decodes and stores nothing, so the rate that load.c reaches against it is the ceiling of the
 * generator plus the loopback: what a measured server reaches below it is the server's own doing.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER 4096

struct conn {
    int fd, upgraded;
    size_t have;
    unsigned char buffer[BUFFER];
};

static const char UPGRADE[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    "\x81\x23{\"type\":\"connected\",\"data\":{\"n\":1}}";
static const char REPLY[] =
    "{\"type\":\"success\",\"data\":{\"message\":\"transfer completed\",\"data\":{\"receipt_code\":"
    "\"RCP-345678\",\"journal_id\":12345,\"amount\":0.01,\"currency\":\"USD\",\"fee\":0.00,"
    "\"to_user_id\":\"67890\",\"transfer_type\":\"p2p\",\"created_at\":\"2024-01-27T13:00:00Z\"}},"
    "\"timestamp\":1706400000}";
static unsigned char reply_frame[512];
static size_t reply_length;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static size_t frame_length(const unsigned char *b, size_t have) {
    size_t length, head = 6;
    if (have < 4) return 0;
    length = b[1] & 127;
    if (length == 126) {
        length = (size_t)b[2] << 8 | b[3];
        head = 8;
    }
    return have < head + length ? 0 : head + length;
}

static void serve(struct conn *c, int epoll) {
    ssize_t n = recv(c->fd, c->buffer + c->have, BUFFER - c->have, 0);
    size_t at = 0, took;
    if (n <= 0) {
        epoll_ctl(epoll, EPOLL_CTL_DEL, c->fd, NULL);
        close(c->fd);
        free(c);
        return;
    }
    c->have += (size_t)n;
    if (!c->upgraded) {
        unsigned char *end = memmem(c->buffer, c->have, "\r\n\r\n", 4);
        if (!end) return;
        c->upgraded = 1;
        at = (size_t)(end - c->buffer) + 4;
        if (send(c->fd, UPGRADE, sizeof UPGRADE - 1, MSG_NOSIGNAL) < 0) die("send upgrade");
    }
    while ((took = frame_length(c->buffer + at, c->have - at))) {
        at += took;
        if (send(c->fd, reply_frame, reply_length, MSG_NOSIGNAL) < 0 && errno != EPIPE) die("send");
    }
    c->have -= at;
    memmove(c->buffer, c->buffer + at, c->have);
}

static void take_in(int listener, int epoll) {
    struct conn *c = calloc(1, sizeof *c);
    struct epoll_event want = {.events = EPOLLIN, .data.ptr = c};
    int one = 1;
    if (!c) die("calloc");
    c->fd = accept(listener, NULL, NULL);
    if (c->fd < 0) die("accept");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &want);
}

int main(int argc, char **argv) {
    int port = argc > 1 ? atoi(argv[1]) : 0, one = 1;
    int listener = socket(AF_INET, SOCK_STREAM, 0), epoll = epoll_create1(0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct epoll_event want = {.events = EPOLLIN, .data.ptr = NULL}, some[256];
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 1024)) die("listen");
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &want);
    reply_length = sizeof REPLY - 1 + 4;
    memcpy(reply_frame, "\x81\x7e", 2);
    reply_frame[2] = (unsigned char)((sizeof REPLY - 1) >> 8);
    reply_frame[3] = (unsigned char)((sizeof REPLY - 1) & 255);
    memcpy(reply_frame + 4, REPLY, sizeof REPLY - 1);
    printf("listening on http://127.0.0.1:%d\n", port);
    fflush(stdout);
    for (;;) {
        int n = epoll_wait(epoll, some, 256, -1);
        for (int i = 0; i < n; i++) {
            if (some[i].data.ptr) serve(some[i].data.ptr, epoll);
            else take_in(listener, epoll);
        }
    }
}
