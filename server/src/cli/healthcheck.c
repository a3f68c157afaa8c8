// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { TIMEOUT_S = 3 };

/* The listening address as one that can be connected to: any-address means this host. */
static socklen_t address_of(const struct xr_config *config, struct sockaddr_storage *ret_address) {
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret_address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret_address;
    memset(ret_address, 0, sizeof *ret_address);
    if (inet_pton(AF_INET, config->host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(config->port);
        if (v4->sin_addr.s_addr == htonl(INADDR_ANY))
            v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return sizeof *v4;
    }
    inet_pton(AF_INET6, config->host, &v6->sin6_addr);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(config->port);
    if (IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr))
        v6->sin6_addr = in6addr_loopback;
    return sizeof *v6;
}

static bool answers(int fd, const struct sockaddr *address, socklen_t length) {
    static const char REQUEST[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    static const char WANTED[] = "HTTP/1.1 200";
    char reply[sizeof WANTED - 1];
    size_t n = 0;
    struct timeval limit = {.tv_sec = TIMEOUT_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, address, length) != 0 || send(fd, REQUEST, sizeof REQUEST - 1, MSG_NOSIGNAL) < 0)
        return false;
    while (n < sizeof reply) {
        ssize_t got = recv(fd, reply + n, sizeof reply - n, 0);
        if (got <= 0)
            return false;
        n += (size_t)got;
    }
    return memcmp(reply, WANTED, sizeof reply) == 0;
}

int xr_cli_healthcheck(const struct xr_config *config) {
    struct sockaddr_storage address;
    socklen_t length = address_of(config, &address);
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        perror("xrayd: healthcheck");
        return 1;
    }
    bool ok = answers(fd, (const struct sockaddr *)&address, length);
    close(fd);
    if (!ok)
        fprintf(stderr, "xrayd: no healthy server at %s:%u\n", config->host, config->port);
    return ok ? 0 : 1;
}
