/* The truth of collections that costs next to nothing: a callback for gc.callbacks that notes the clock in C, and a full
 * collection that is asked for in C, between two readings of the clock. Interpreters of one process note side by side. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdio.h>
#include <time.h>

#define MOST 4000000
/* Threads that may be in a collection at once. */
#define RUNNING 256
static struct { long long at; unsigned long thread; int stops, generation; } notes[MOST];
static long count;

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void keep(long long at, int stops, int generation) {
    long mine = __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED);
    if (mine >= MOST) return;
    notes[mine].at = at;
    notes[mine].thread = PyThread_get_thread_ident();
    notes[mine].stops = stops;
    notes[mine].generation = generation;
}

static PyObject *note(PyObject *self, PyObject *const *args, Py_ssize_t n) {
    long long at = now();
    if (n == 2) {
        int stops = PyUnicode_READ_CHAR(args[0], 2) == 'o';
        int generation = (int)PyLong_AsLong(PyDict_GetItemString(args[1], "generation"));
        /* What this callback takes is part of the pause, at both ends. */
        keep(stops ? now() : at, stops, generation);
    }
    Py_RETURN_NONE;
}

static PyObject *collect(PyObject *self, PyObject *none) {
    long long begun = now();
    PyGC_Collect();
    long long ended = now();
    keep(begun, 0, 2);
    keep(ended, 1, 2);
    Py_RETURN_NONE;
}

static PyObject *dump(PyObject *self, PyObject *path) {
    FILE *file = fopen(PyUnicode_AsUTF8(path), "w");
    if (!file) return PyErr_SetFromErrno(PyExc_OSError);
    static long begun[RUNNING];
    int running = 0;
    for (long i = 0; i < count && i < MOST; i++) {
        int of = 0;
        while (of < running && notes[begun[of]].thread != notes[i].thread) of++;
        if (!notes[i].stops) {
            if (of < RUNNING) begun[of] = i;
            running += of == running && of < RUNNING;
        } else if (of < running) {
            fprintf(file, "%lld %lld %d\n", notes[begun[of]].at, notes[i].at, notes[i].generation);
            begun[of] = begun[--running];
        }
    }
    fclose(file);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"note", (PyCFunction)(void (*)(void))note, METH_FASTCALL, NULL},
                                {"collect", collect, METH_NOARGS, NULL},
                                {"dump", dump, METH_O, NULL},
                                {0}};
static PyModuleDef_Slot slots[] = {
#if PY_VERSION_HEX >= 0x030c0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
    {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "truth", NULL, 0, methods, slots};
PyMODINIT_FUNC PyInit_truth(void) { return PyModuleDef_Init(&module); }
