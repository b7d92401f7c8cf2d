/* A busy allocator that checks every byte: threads that allocate, fill, check and free, while somebody gives back what is free.

   busy THREADS BLOCKS LARGEST PAUSE_US [lock] [ends]

   Says "ready"; then for every line that it reads: wrong bytes found, blocks checked, rounds of the slowest thread, whether
   malloc_info fails. At the end of its input every block is checked and freed, and its exit status is 0 if nothing was wrong.
   lock: pieces of the heap are locked in memory from time to time. ends: threads end and leave their arenas to others. */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { MOST_THREADS = 64, KEPT_OF = 8, TURNS = 100 };
static const size_t SIZES[] = {24, 60, 120, 700, 3000, 9000, 30000, 0};

typedef struct {
    unsigned char *at;
    size_t size;
    uint64_t seed;
} block;

typedef struct {
    uint64_t random;
    block *blocks;
    _Atomic uint64_t checked, wrong, rounds;
} worker;

static worker workers[MOST_THREADS];
static int threads, count, pause_us, locks, ends;
static size_t largest;
static atomic_int over;

static uint64_t draw(worker *w) {
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random;
}

static unsigned char byte_of(uint64_t seed, size_t i) { return (unsigned char)(seed + i * 131 + (i >> 8)); }

static void fill(block *b) {
    for (size_t i = 0; i < b->size; i++) b->at[i] = byte_of(b->seed, i);
}

static void check(worker *w, const block *b, size_t size) {
    uint64_t wrong = 0;
    for (size_t i = 0; i < size; i++) wrong += b->at[i] != byte_of(b->seed, i);
    w->wrong += wrong;
    w->checked++;
}

/* What is freed is filled before, so that it is in memory, and no zeroes. */
static void drop(worker *w, block *b) {
    check(w, b, b->size);
    memset(b->at, 0xA5, b->size);
    free(b->at);
    b->at = NULL;
}

static void turn(worker *w) {
    block *b = &w->blocks[draw(w) % count];
    size_t most = SIZES[draw(w) % (sizeof SIZES / sizeof *SIZES)];
    size_t size = 8 + draw(w) % (most ? most : largest);
    int how = draw(w) % 6;
    if (b->at && how == 0) {
        block old = *b;
        b->at = realloc(b->at, size);
        check(w, &(block){b->at, size, old.seed}, size < old.size ? size : old.size);
    } else {
        if (b->at) drop(w, b);
        if (how == 1) return;
        if (how == 2) {
            b->at = calloc(1, size);
            for (size_t i = 0; i < size; i++) w->wrong += b->at[i] != 0;
        } else {
            b->at = how == 3 ? memalign(64, size) : malloc(size);
        }
    }
    b->size = size, b->seed = draw(w);
    fill(b);
    if (locks && size > 20000 && draw(w) % 16 == 0) {
        mlock(b->at, size / 2);
        if (draw(w) % 2) munlock(b->at, size / 2);
    }
}

static void nap(void) {
    struct timespec time = {0, pause_us * 1000L};
    if (pause_us) nanosleep(&time, NULL);
}

static void round_of(worker *w) {
    for (int i = 0; i < TURNS; i++) turn(w);
    /* Every live block, then a wave: most of it is freed. */
    for (int i = 0; i < count; i++)
        if (w->blocks[i].at) check(w, &w->blocks[i], w->blocks[i].size);
    for (int i = 0; i < count; i++)
        if (w->blocks[i].at && i % KEPT_OF) drop(w, &w->blocks[i]);
    w->rounds++;
    nap();
}

static void *rounds(void *w) {
    while (!over) round_of(w);
    return NULL;
}

static void *one_round(void *w) {
    round_of(w);
    return NULL;
}

static void *short_threads(void *w) {
    while (!over) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, one_round, w)) abort();
        pthread_join(thread, NULL);
    }
    return NULL;
}

static int inconsistent(void) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    int failed = malloc_info(0, out);
    fclose(out);
    failed |= !strstr(text, "</malloc>");
    free(text);
    return failed;
}

int main(int argc, char **argv) {
    if (argc < 5) return 2;
    threads = atoi(argv[1]), count = atoi(argv[2]), largest = atoi(argv[3]), pause_us = atoi(argv[4]);
    for (int i = 5; i < argc; i++) locks |= !strcmp(argv[i], "lock"), ends |= !strcmp(argv[i], "ends");
    if (threads < 1 || threads > MOST_THREADS) return 2;
    pthread_t all[MOST_THREADS];
    for (int i = 0; i < threads; i++) {
        workers[i].random = 88172645463325252ull + i;
        workers[i].blocks = calloc(count, sizeof(block));
        if (pthread_create(&all[i], NULL, ends ? short_threads : rounds, &workers[i])) return 2;
    }
    puts("ready"), fflush(stdout);
    for (int c; (c = getchar()) != EOF;) {
        if (c != '\n') continue;
        uint64_t wrong = 0, checked = 0, least = UINT64_MAX;
        for (int i = 0; i < threads; i++) {
            wrong += workers[i].wrong, checked += workers[i].checked;
            if (workers[i].rounds < least) least = workers[i].rounds;
        }
        printf("%lu %lu %lu %d\n", wrong, checked, least, inconsistent()), fflush(stdout);
    }
    over = 1;
    uint64_t wrong = 0;
    for (int i = 0; i < threads; i++) {
        pthread_join(all[i], NULL);
        for (int k = 0; k < count; k++)
            if (workers[i].blocks[k].at) drop(&workers[i], &workers[i].blocks[k]);
        free(workers[i].blocks);
        wrong += workers[i].wrong;
    }
    return wrong || inconsistent();
}
