/* What a thread has that only the processor knows: vectors of every length, and branches to landing pads. Each returns
   how often it found what it had not put there. */
#include <sys/auxv.h>

#define HWCAP_SVE (1 << 22)

/* Plain vectors, with the two words that control them. */
long plain(long rounds)
{
    long wrong;
    asm volatile(".irp i,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
                 "movi v\\i\\().16b, #(\\i + 1)\n"
                 ".endr\n"
                 "1: subs %1, %1, #1\n"
                 "b.ne 1b\n"
                 "mov %0, #0\n"
                 ".irp i,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
                 "umov w9, v\\i\\().b[15]\n"
                 "cmp w9, #(\\i + 1)\n"
                 "cinc %0, %0, ne\n"
                 ".endr\n"
                 : "=&r"(wrong), "+r"(rounds)
                 :
                 : "x9", "cc", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13",
                   "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27",
                   "v28", "v29", "v30", "v31");
    return wrong;
}

/* Scalable vectors, predicates and the first-fault register; -1 where the processor has none. */
long scalable(long rounds)
{
    long wrong;
    if (!(getauxval(AT_HWCAP) & HWCAP_SVE))
        return -1;
    asm volatile(".arch_extension sve\n"
                 "ptrue p0.b\n"
                 "ptrue p5.b\n"
                 "setffr\n"
                 ".irp i,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
                 "mov z\\i\\().b, #(\\i - 16)\n"
                 ".endr\n"
                 "1: subs %1, %1, #1\n"
                 "b.ne 1b\n"
                 "mov %0, #0\n"
                 "ptrue p0.b\n"
                 ".irp i,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
                 "cmpne p1.b, p0/z, z\\i\\().b, #(\\i - 16)\n"
                 "cinc %0, %0, ne\n" /* any */
                 ".endr\n"
                 "cntb x9\n"
                 "cntp x10, p0, p5.b\n"
                 "cmp x9, x10\n"
                 "cinc %0, %0, ne\n"
                 "rdffr p1.b\n"
                 "cntp x10, p0, p1.b\n"
                 "cmp x9, x10\n"
                 "cinc %0, %0, ne\n"
                 : "=&r"(wrong), "+r"(rounds)
                 :
                 : "x9", "x10", "cc", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12",
                   "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26",
                   "v27", "v28", "v29", "v30", "v31");
    return wrong;
}

/* Every second instruction is where a jump has just landed: a processor that guards jumps is between the jump and its
   landing pad there. */
long jumps(long rounds)
{
    asm volatile("adr x9, 1f\n"
                 "br x9\n"
                 "1: bti j\n"
                 "subs %0, %0, #1\n"
                 "b.eq 2f\n"
                 "br x9\n"
                 "2:\n"
                 : "+r"(rounds)
                 :
                 : "x9", "cc");
    return rounds;
}
