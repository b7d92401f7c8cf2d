/* Prints one row of the layout table: `field = offset` lines for the headers that this was compiled against. */
#define Py_BUILD_CORE 1
#include <Python.h>
#include <stddef.h>
#include <stdio.h>
#if PY_VERSION_HEX >= 0x03080000 && PY_VERSION_HEX < 0x03090000
#include <internal/pycore_pylifecycle.h>
#include <internal/pycore_pymem.h>
#include <internal/pycore_pystate.h>
#else
#include <internal/pycore_gc.h>
#include <internal/pycore_interp.h>
#include <internal/pycore_runtime.h>
#endif

#define ROW(name, value) printf("%s = %zu\n", name, (size_t)(value))
#define RUNTIME(name, field) ROW(name, offsetof(_PyRuntimeState, field))
#define INTERP(name, field) ROW(name, offsetof(PyInterpreterState, field))
#define THREAD(name, field) ROW(name, offsetof(PyThreadState, field))
#define PUBLISHED(name, field) ROW(name, offsetof(_Py_DebugOffsets, field))
#define GC(name, field) ROW(name, offsetof(struct _gc_runtime_state, field))

int main(void) {
#ifdef Py_GIL_DISABLED
    printf("version = %st\n", PY_VERSION);
    ROW("free_threaded", 1);
    INTERP("stop_the_world", stoptheworld);
    ROW("stop_requested", offsetof(struct _stoptheworld_state, requested));
    ROW("world_stopped", offsetof(struct _stoptheworld_state, world_stopped));
#if PY_VERSION_HEX >= 0x030E0000
    GC("freeze_active", freeze_active);
#endif
#else
    printf("version = %s\n", PY_VERSION);
#endif
    ROW("runtime_size", sizeof(_PyRuntimeState));
    RUNTIME("interpreters_head", interpreters.head);
    RUNTIME("interpreters_main", interpreters.main);
    INTERP("interp_next", next);
    INTERP("interp_id", id);
#if PY_VERSION_HEX < 0x030B0000
    INTERP("threads_head", tstate_head);
#else
    INTERP("threads_head", threads.head);
    THREAD("native_thread_id", native_thread_id);
#endif
    THREAD("thread_next", next);
    THREAD("thread_id", thread_id);
#if PY_VERSION_HEX < 0x03090000
    RUNTIME("gc_in_runtime", gc);
#else
    INTERP("gc_in_interp", gc);
#endif
    ROW("gc_size", sizeof(struct _gc_runtime_state));
    GC("enabled", enabled);
    GC("debug", debug);
#ifdef ROW_YOUNG
    GC("generations", young);
#else
    GC("generations", generations);
    GC("generation0", generation0);
#endif
#if !defined(ROW_YOUNG) || defined(Py_GIL_DISABLED)
    GC("long_lived_total", long_lived_total);
    GC("long_lived_pending", long_lived_pending);
#endif
#if PY_VERSION_HEX >= 0x030E0000
    GC("heap_size", heap_size);
    INTERP("threads_main", threads.main);
#endif
    ROW("generation_size", sizeof(struct gc_generation));
    ROW("threshold", offsetof(struct gc_generation, threshold));
    ROW("count", offsetof(struct gc_generation, count));
    GC("permanent", permanent_generation);
    GC("collecting", collecting);
    GC("garbage", garbage);
    GC("callbacks", callbacks);
    GC("stats", generation_stats);
#if PY_VERSION_HEX >= 0x030F0000
    GC("frame", frame);
    ROW("ring_size", sizeof(struct gc_stats));
    ROW("ring_item", sizeof(struct gc_generation_stats));
    ROW("ring_young", offsetof(struct gc_stats, young.items));
    ROW("ring_young_index", offsetof(struct gc_stats, young.index));
    ROW("ring_young_items", sizeof(((struct gc_stats *)0)->young.items) / sizeof(struct gc_generation_stats));
    ROW("ring_old", offsetof(struct gc_stats, old[0].items));
    ROW("ring_old_index", offsetof(struct gc_stats, old[0].index));
    ROW("ring_old_items", sizeof(((struct gc_stats *)0)->old[0].items) / sizeof(struct gc_generation_stats));
    ROW("ring_oldest", offsetof(struct gc_stats, old[1].items));
    ROW("ring_oldest_index", offsetof(struct gc_stats, old[1].index));
#endif
#if PY_VERSION_HEX >= 0x030D0000
    ROW("published_bytes", sizeof(_Py_DebugOffsets));
    PUBLISHED("published_interp_size", interpreter_state.size);
    PUBLISHED("published_interp_id", interpreter_state.id);
    PUBLISHED("published_interp_next", interpreter_state.next);
    PUBLISHED("published_threads_head", interpreter_state.threads_head);
    PUBLISHED("published_gc", interpreter_state.gc);
    PUBLISHED("published_modules", interpreter_state.imports_modules);
    PUBLISHED("published_sysdict", interpreter_state.sysdict);
    PUBLISHED("published_builtins", interpreter_state.builtins);
    PUBLISHED("published_thread_size", thread_state.size);
    PUBLISHED("published_thread_next", thread_state.next);
    PUBLISHED("published_thread_id", thread_state.thread_id);
    PUBLISHED("published_native_thread_id", thread_state.native_thread_id);
    PUBLISHED("published_gc_size", gc.size);
    PUBLISHED("published_collecting", gc.collecting);
#endif
#if PY_VERSION_HEX >= 0x030E0000
    PUBLISHED("published_threads_main", interpreter_state.threads_main);
    PUBLISHED("published_debugger", debugger_support);
#endif
#if PY_VERSION_HEX >= 0x030F0000
    PUBLISHED("published_frame", gc.frame);
    PUBLISHED("published_ring_size", gc.generation_stats_size);
    PUBLISHED("published_stats", gc.generation_stats);
#endif
    return 0;
}
