/* What a watched pause is longer than it was, without Python: a word is written, work is done, the word is written
 * again, and both writes are watched. The span between the two records less the time that the work took is what the
 * traps add; m5 takes off what they add to writes that follow one another at once.
 *
 *     cc -O1 -o trap bench/gc-coverage/trap.c && ./trap 0 50 1000 && ./trap 20000 50 150 && ./trap -20000 50 150
 *
 * Arguments: microseconds asleep before each pause (or, below 0, at work all over 32 MiB), microseconds of work in it, pauses.
 */
#define _GNU_SOURCE
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define RING (64 << 10)
#define MOST 5000
static volatile int word;

static long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

static int compare(const void *a, const void *b) {
    long x = *(const long *)a, y = *(const long *)b;
    return (x > y) - (x < y);
}

/* What a program does between two collections: it walks through more memory than the caches hold. */
static void be_busy(long us) {
    static unsigned field[8 << 20];
    static unsigned at;
    for (long begun = now(); now() - begun < us * 1000;)
        for (int i = 0; i < 100; i++) field[at = (at * 1103515245u + 12345u) % (8 << 20)]++;
}

int main(int argc, char **argv) {
    if (argc != 4) return fprintf(stderr, "trap ASLEEP_US WORK_US PAUSES\n"), 2;
    int asleep = atoi(argv[1]), work = atoi(argv[2]), pauses = atoi(argv[3]), count = 0;
    struct perf_event_attr attr = {
        .type = PERF_TYPE_BREAKPOINT, .size = sizeof attr, .sample_period = 1,
        .sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TIME, .bp_type = HW_BREAKPOINT_W,
        .bp_addr = (unsigned long)&word, .bp_len = 4, .exclude_kernel = 1, .exclude_hv = 1,
        .use_clockid = 1, .clockid = CLOCK_MONOTONIC,
    };
    int fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0) return perror("perf_event_open"), 1;
    long page = sysconf(_SC_PAGESIZE);
    char *map = mmap(NULL, page + RING, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) return perror("mmap"), 1;
    struct perf_event_mmap_page *ring = (void *)map;
    static long extra[MOST];
    for (int i = 0; i < pauses && count < MOST; i++) {
        if (asleep > 0) usleep(asleep);
        if (asleep < 0) be_busy(-asleep);
        word = 1;
        long begun = now(), ended;
        while ((ended = now()) - begun < work * 1000L) {}
        word = 0;
        unsigned long head = ring->data_head, tail = ring->data_tail;
        __sync_synchronize();
        long times[2] = {0};
        int seen = 0;
        while (tail < head) {
            struct perf_event_header *record = (void *)(map + page + tail % RING);
            if (record->type == PERF_RECORD_SAMPLE && seen < 2) memcpy(&times[seen++], (char *)record + 16, 8);
            tail += record->size;
        }
        ring->data_tail = tail;
        if (seen == 2) extra[count++] = times[1] - times[0] - (ended - begun);
    }
    if (!count) return fprintf(stderr, "no pause was seen whole\n"), 1;
    qsort(extra, count, sizeof *extra, compare);
    printf("asleep %d us, work %d us: the span is longer by p10 %.1f, median %.1f, p90 %.1f us (%d pauses)\n", asleep, work,
           extra[count / 10] / 1e3, extra[count / 2] / 1e3, extra[count * 9 / 10] / 1e3, count);
    return 0;
}
