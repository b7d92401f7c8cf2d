# Put into a measured command by m5: writes down, as the last thing the program does, what it holds.
import atexit
import gc
import os
import sys


def _report():
    try:
        status = {}
        with open("/proc/self/status") as lines:
            for line in lines:
                if line.startswith(("RssAnon", "VmHWM")):
                    words = line.split()
                    status[words[0]] = int(words[1]) * 1024
        gc.collect()
        times = os.times()
        row = (
            os.getpid(),
            status["RssAnon:"],
            sys.getallocatedblocks(),
            len(gc.get_objects()),
            status["VmHWM:"],
            times[0] + times[1],
        )
        with open(os.environ["M5_RUN_REPORT"], "a") as out:
            out.write("%d %d %d %d %d %.6f\n" % row)
    except Exception:  # a program must end as it would without m5
        pass


atexit.register(_report)

# The environment's own module of this name must run too.
_here = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [p for p in sys.path if os.path.abspath(p or ".") != _here]
_me = sys.modules.pop(__name__, None)
try:
    import sitecustomize  # noqa: F401
except ImportError:
    pass
finally:
    sys.modules.setdefault(__name__, _me)
