/* LD_PRELOAD shim: a slower disk. After every fsync and fdatasync that succeeds it sleeps as many
 * microseconds as the file named by FSYNC_DELAY_FILE holds (a native 32-bit integer, mapped
 * shared), so one running PostgreSQL can be measured with the disk as it is (0) and with 1 ms
 * added (1000) in alternation. The real call is always made: nothing is less durable.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static const volatile uint32_t *delay_us;

__attribute__((constructor)) static void map_delay(void) {
    const char *path = getenv("FSYNC_DELAY_FILE");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *at = mmap(NULL, sizeof *delay_us, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (at != MAP_FAILED) delay_us = at;
    prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0); /* the default adds 50 us to every sleep */
}

static int slow(int result) {
    uint32_t us = delay_us && result == 0 ? *delay_us : 0;
    if (us) {
        struct timespec t = {us / 1000000, (long)(us % 1000000) * 1000};
        while (nanosleep(&t, &t) != 0) {}
    }
    return result;
}

int fsync(int fd) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    return slow(real(fd));
}

int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return slow(real(fd));
}
