//! The line that a frame is at, in the paths of what it holds; and a name that does not change with it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use m5_heap::{Analysis, Anchor, CaptureOptions, RootKind, capture};
use m5_process::Process;
use m5_testkit::{Target, pythons};

/// Says which line each of its frames is at, by its own account.
const PROGRAM: &str = r#"
import sys
class Book: pass

def wait(book):
    frame, said = sys._getframe(), []
    while frame: said, frame = said + [(frame.f_code.co_name, frame)], frame.f_back
    del frame
    print(*(f"{name}:{f.f_lineno + (name == 'wait')}" for name, f in said), flush=True); said = None
    sys.stdin.readline()

def trade(depth):
    book = Book()
    if depth:
        # A comment, and a call that spans lines.
        return trade(
            depth - 1,
        )
    wait(book)

trade(2)
"#;

#[test]
fn a_frame_is_named_with_the_line_that_it_is_at() {
    for python in pythons() {
        let mut target = Target::start(&python, PROGRAM);
        let truth = target.line();
        let process = Process::open(target.pid()).unwrap();
        let taken = capture(&process, &CaptureOptions::default()).unwrap();
        let analysis = Analysis::of(&taken.image, Anchor::of(&process).unwrap()).unwrap();
        let roots = || analysis.graph.roots.iter().filter(|r| r.kind == RootKind::Frame);
        for place in truth.split(' ') {
            let (function, line) = place.split_once(':').unwrap();
            let name = format!("frame {function} at <string>:{line}");
            // Of a recursive function each level has its own line; the module's frame holds no local variables.
            assert!(
                roots().any(|r| r.name.contains(&name)),
                "{}: {name} of {:?}",
                python.name,
                roots().map(|r| &r.name).collect::<Vec<_>>()
            );
        }
        let lasting = |r: &m5_heap::Root| r.lasting_name().ends_with("frame trade at <string>, local book");
        assert!(roots().any(lasting) || python.minor() < (3, 11), "{}", python.name);
    }
}
