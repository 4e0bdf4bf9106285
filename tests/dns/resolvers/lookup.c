/* Look names up as any program does, with getaddrinfo(3): one line a name, with its addresses. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>

int main(int count, char **names) {
    for (int number = 1; number < count; number++) {
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
        printf("%s", names[number]);
        if (getaddrinfo(names[number], NULL, &hints, &found) == 0)
            for (struct addrinfo *one = found; one; one = one->ai_next) {
                char text[INET6_ADDRSTRLEN];
                const void *address = one->ai_family == AF_INET
                    ? (const void *)&((struct sockaddr_in *)one->ai_addr)->sin_addr
                    : (const void *)&((struct sockaddr_in6 *)one->ai_addr)->sin6_addr;
                printf(" %s", inet_ntop(one->ai_family, address, text, sizeof text));
            }
        printf("\n");
    }
    return 0;
}
