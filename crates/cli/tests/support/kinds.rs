//! Programs of kinds that are hard on whoever touches them. Each works for ever, and says on a line whether all of its
//! results were right.
// Each test file takes what it needs.
#![allow(dead_code)]

/// What every program has: work that goes on for ever, a count of its wrong results, and free memory for `trim`.
pub(crate) const BEGIN: &str = "
import ctypes, os, resource, select, signal, subprocess, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
kept = [[i] for i in range(20000)]
hole = [bytes(600) for _ in range(20000)]
last = bytes(600)
del hole
wrong = []
def check(right):
    if not right: wrong.append(right)
def forever(work):
    def run():
        try:
            while True: work()
        except BaseException as error: wrong.append(error)
    threading.Thread(target=run, daemon=True).start()
def child(code):
    pid = os.fork()
    if pid == 0: os._exit(code)
    return pid
";

pub(crate) const END: &str = "
print('ready')
for line in sys.stdin: print('alive' if not wrong and sum(map(len, kept)) == 20000 else wrong)
";

/// A kind of program: its name, what makes it one, and whether its descriptors and threads stay as they are.
pub(crate) type Kind = (&'static str, &'static str, bool);

pub(crate) const KINDS: [Kind; 15] = [
    (
        "five hundred threads asleep",
        "
asleep = threading.Event()
for _ in range(500): threading.Thread(target=asleep.wait, daemon=True).start()
",
        true,
    ),
    (
        "what is told by descriptors: timers, signals, events, changes of files",
        "
import tempfile
def descriptor(number):
    if number < 0: raise OSError(ctypes.get_errno(), 'no descriptor')
    return number
def number(bytes): return int.from_bytes(bytes, sys.byteorder)
timer, before, ticks = descriptor(libc.timerfd_create(1, 0)), time.monotonic(), [0]
libc.timerfd_settime(timer, 0, (ctypes.c_long * 4)(0, 1000000, 0, 1000000), None)
begun = time.monotonic()
def tick():
    least = (time.monotonic() - begun) * 1000 - 1
    ticks[0] += number(os.read(timer, 8))
    check(least <= ticks[0] <= (time.monotonic() - before) * 1000)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
signals = descriptor(libc.signalfd(-1, (1 << signal.SIGUSR2 - 1).to_bytes(8, sys.byteorder), 0))
def send():
    os.kill(os.getpid(), signal.SIGUSR2)
    check(number(os.read(signals, 128)[:4]) == signal.SIGUSR2)
    time.sleep(0.0005)
there, back = [descriptor(libc.eventfd(0, 0)) for _ in range(2)]
one = (1).to_bytes(8, sys.byteorder)
def ask():
    os.write(there, one)
    check(os.read(back, 8) == one)
    time.sleep(0.0005)
def answer():
    check(os.read(there, 8) == one)
    os.write(back, one)
changes, file = descriptor(libc.inotify_init1(0)), tempfile.TemporaryFile()
descriptor(libc.inotify_add_watch(changes, b'/proc/self/fd/%d' % file.fileno(), 2))
def change():
    os.write(file.fileno(), b'x')
    check(number(os.read(changes, 16)[4:8]) == 2)
    os.ftruncate(file.fileno(), 0)
    check(number(os.read(changes, 16)[4:8]) == 2)
    time.sleep(0.001)
for work in tick, send, ask, answer, change: forever(work)
",
        true,
    ),
    ("threads that compute", "for _ in range(3): forever(lambda: check(sum(range(1000)) == 499500))", true),
    (
        "threads that come and go",
        "
def work():
    some = [threading.Thread(target=lambda: check(sum(range(1000)) == 499500)) for _ in range(4)]
    for thread in some: thread.start()
    for thread in some: thread.join()
    time.sleep(0.001)
forever(work)
",
        false,
    ),
    (
        "a fork every 10 ms",
        "
def work():
    check(os.waitpid(child(3), 0)[1] == 3 << 8)
    time.sleep(0.01)
forever(work)
",
        false,
    ),
    (
        "subprocesses",
        "
def work():
    check(subprocess.run(['true']).returncode == 0)
    time.sleep(0.01)
forever(work)
",
        false,
    ),
    (
        "children that nobody waits for",
        "
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
def work():
    child(3)
    time.sleep(0.01)
forever(work)
",
        false,
    ),
    (
        "a reaper of orphans",
        "
check(libc.prctl(36, 1, 0, 0, 0) == 0)
def work():
    pid = os.fork()
    if pid == 0: os._exit(3 if child(3) else 4)
    check(all(os.wait()[1] == 3 << 8 for _ in range(2)))
    time.sleep(0.01)
forever(work)
",
        false,
    ),
    (
        "an alarm every millisecond",
        "
rung = []
signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
forever(lambda: check(select.select([], [], [], 0.01) == ([], [], [])))
",
        true,
    ),
    ("signals blocked", "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))", true),
    (
        "polling",
        "
poll, (ours, theirs) = select.epoll(), os.pipe()
poll.register(ours, select.EPOLLIN)
forever(lambda: check(poll.poll(0.005) == []))
",
        true,
    ),
    ("no dumps", "check(libc.prctl(4, 0, 0, 0, 0) == 0)", true),
    ("locked memory", "libc.mlockall(3)", true),
    (
        "no more address space",
        "
used = int(open('/proc/self/statm').read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (used + (32 << 20),) * 2)
",
        true,
    ),
    ("no further descriptor", "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))", true),
];

/// Calls of one thread are handed to the program itself, which does not expect any: SIGSYS ends it. That thread spins, and
/// none other runs. Where the kernel has no such thing it is one that spins.
pub(crate) const HANDS_CALLS_OVER: &str = "
import mmap
spin = {
    'x86_64': bytes.fromhex('c60701 f390 ebfc'),
    'aarch64': bytes.fromhex('21008052 01000039 00000014'),
}[os.uname().machine]
code = mmap.mmap(-1, 4096, prot=7)
code.write(spin)
run = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
handed, spins = ctypes.create_string_buffer(1), ctypes.create_string_buffer(1)
handing = []
def calls():
    handing.append(libc.prctl(59, 1, 0, 0, handed) == 0)
    run(ctypes.addressof(spins))
threading.Thread(target=calls, daemon=True).start()
while spins.raw[:1] == b'\\0': time.sleep(0.001)
handed[0] = 1
special = handing[0]
";

/// Told of every copy of its memory, and expects none. Where it may not be told it is an ordinary one.
pub(crate) const HEARS_OF_COPIES: &str = "
import mmap, struct
number = {'x86_64': 323, 'aarch64': 282}[os.uname().machine]
watch = libc.syscall(number, 0o2000000)
ask = ctypes.create_string_buffer(struct.pack('QQQ', 0xaa, 2, 0))
special = watch >= 0 and libc.ioctl(watch, ctypes.c_ulong(0xc018aa3f), ask) == 0
if special:
    memory = mmap.mmap(-1, 1 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    register = ctypes.create_string_buffer(struct.pack('QQQQ', start, 1 << 20, 1, 0))
    check(libc.ioctl(watch, ctypes.c_ulong(0xc020aa00), register) == 0)
    def work(): wrong.append(os.read(watch, 32))
    forever(work)
";

/// Rewrites private memory in a huge page of the machine's pool, where that has any.
pub(crate) const HUGE_PAGES: &str = "
import mmap
size = [int(line.split()[1]) << 10 for line in open('/proc/meminfo') if line.startswith('Hugepagesize')]
try: memory = mmap.mmap(-1, size[0], flags=0x40022)
except (OSError, IndexError): memory = None
special = memory is not None
if special:
    memory[0] = 1
    def work():
        memory[1] = 1
        time.sleep(0.001)
    forever(work)
";
