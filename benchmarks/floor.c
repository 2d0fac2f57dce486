/* The floor: a pool member that does one write to the service and one read from it per packet, and
 * nothing else. It has no configuration and no log, and accepts every response. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void take(int from, char *into, size_t count) {
    for (size_t done = 0; done < count;) {
        ssize_t got = read(from, into + done, count - done);
        if (got <= 0) exit(0);
        done += got;
    }
}

int main(int count, char **arguments) {
    char packet[65537], request[256], answer[65536];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[count - 1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int service = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (connect(service, (struct sockaddr *)&address, sizeof address)) return 1;
    setsockopt(service, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    const char *body = "{\"user\": \"alice\", \"host\": \"example.org\", \"password\": \"right\"}";
    int size = snprintf(request, sizeof request,
        "POST /auth HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
    for (;;) {
        take(0, packet, 2);
        take(0, packet + 2, (unsigned char)packet[0] << 8 | (unsigned char)packet[1]);
        if (write(service, request, size) != size || read(service, answer, sizeof answer) <= 0) return 1;
        if (write(1, "\0\2\0\1", 4) != 4) return 0;
    }
}
