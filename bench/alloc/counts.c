/* Counts every allocation of a process by the line that asks for it, and how many bytes come by which way: see truth.py.
   CPython 3.11 to 3.14; it is no part of m5. */
#define Py_BUILD_CORE 1
#include <Python.h>
#include <internal/pycore_frame.h>
#include <internal/pycore_pystate.h>
#if PY_VERSION_HEX >= 0x030e0000
#include <internal/pycore_interpframe.h>
#endif

typedef struct {
    PyCodeObject *code;
    int lasti;
    long calls, bytes;
} Row;

enum { ROWS = 1 << 16, BLOCKS = 1 << 20 };
static Row rows[ROWS];
/* By block, how large it is; a block that fell out of it is taken to have had nothing. */
static struct { void *block; size_t size; } blocks[BLOCKS];
/* Calls and bytes by malloc, by calloc, and by realloc what it grew. */
static long ways[3][2];
static int on;
static PyMemAllocatorEx was[2];

static size_t slot(void *block) { return ((size_t)block >> 4) * 2654435761u % BLOCKS; }

static void keep(void *block, size_t size) {
    if (block) blocks[slot(block)].block = block, blocks[slot(block)].size = size;
}

static size_t known(void *block) { return blocks[slot(block)].block == block ? blocks[slot(block)].size : 0; }

static void count(int way, size_t size) {
    ways[way][0]++, ways[way][1] += size;
    PyThreadState *t = _PyThreadState_GET();
    if (way || !t) return;
#if PY_VERSION_HEX >= 0x030d0000
    _PyInterpreterFrame *f = t->current_frame;
#else
    _PyInterpreterFrame *f = t->cframe ? t->cframe->current_frame : NULL;
#endif
    while (f && _PyFrame_IsIncomplete(f)) f = f->previous;
#if PY_VERSION_HEX >= 0x030e0000
    PyCodeObject *code = f ? _PyFrame_GetCode(f) : NULL;
#elif PY_VERSION_HEX >= 0x030d0000
    PyCodeObject *code = f ? (PyCodeObject *)f->f_executable : NULL;
#else
    PyCodeObject *code = f ? f->f_code : NULL;
#endif
    int lasti = f ? _PyInterpreterFrame_LASTI(f) : 0;
    size_t at = ((size_t)code >> 4) * 31 + (size_t)lasti * 7919;
    for (int i = 0; i < 4096; i++) {
        Row *row = &rows[(at + i) % ROWS];
        if (!row->calls) {
            row->code = code, row->lasti = lasti;
            Py_XINCREF(code);
        }
        if (row->code == code && row->lasti == lasti) {
            row->calls++, row->bytes += size;
            return;
        }
    }
}

static void *own_malloc(void *c, size_t size) {
    PyMemAllocatorEx *a = &was[(long)c];
    void *block = a->malloc(a->ctx, size);
    if (on) count(0, size), keep(block, size);
    return block;
}

static void *own_calloc(void *c, size_t n, size_t each) {
    PyMemAllocatorEx *a = &was[(long)c];
    void *block = a->calloc(a->ctx, n, each);
    if (on) count(1, n * each), keep(block, n * each);
    return block;
}

static void *own_realloc(void *c, void *old, size_t size) {
    PyMemAllocatorEx *a = &was[(long)c];
    size_t before = old ? known(old) : 0;
    void *block = a->realloc(a->ctx, old, size);
    if (on && old && size > before) count(2, size - before);
    if (on && !old) count(0, size);
    if (on) keep(block, size);
    return block;
}

static void own_free(void *c, void *block) {
    PyMemAllocatorEx *a = &was[(long)c];
    a->free(a->ctx, block);
}

static PyObject *start(PyObject *self, PyObject *none) {
    PyMemAllocatorDomain domains[2] = {PYMEM_DOMAIN_OBJ, PYMEM_DOMAIN_MEM};
    for (long i = 0; i < 2; i++) {
        PyMem_GetAllocator(domains[i], &was[i]);
        PyMemAllocatorEx own = {(void *)i, own_malloc, own_calloc, own_realloc, own_free};
        PyMem_SetAllocator(domains[i], &own);
    }
    on = 1;
    Py_RETURN_NONE;
}

/* Rows of function, file, line, calls, bytes; and calls and bytes by way. */
static PyObject *stop(PyObject *self, PyObject *none) {
    on = 0;
    PyObject *lines = PyList_New(0);
    for (int i = 0; lines && i < ROWS; i++) {
        Row *r = &rows[i];
        if (!r->calls || !r->code) continue;
        int line = PyCode_Addr2Line(r->code, r->lasti * (int)sizeof(_Py_CODEUNIT));
        PyObject *row = Py_BuildValue("(OOill)", r->code->co_name, r->code->co_filename, line, r->calls, r->bytes);
        if (!row || PyList_Append(lines, row)) return NULL;
        Py_DECREF(row);
    }
    return Py_BuildValue("(N[(ll)(ll)(ll)])", lines, ways[0][0], ways[0][1], ways[1][0], ways[1][1], ways[2][0], ways[2][1]);
}

static PyMethodDef methods[] = {{"start", start, METH_NOARGS, ""}, {"stop", stop, METH_NOARGS, ""}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "counts", "", -1, methods};
PyMODINIT_FUNC PyInit_counts(void) { return PyModule_Create(&module); }
