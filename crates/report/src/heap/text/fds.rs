//! Descriptors with their owners and holders for people.

use crate::heap::phrases::holder;
use crate::text::Style;
use crate::texts::Heap;
use m5_heap::FdHolder;

/// Numbers of descriptors that are listed of a group.
const NUMBERS: usize = 8;

/// Descriptors of one kind, state and holder share a line.
pub(crate) fn fds(fds: &[FdHolder], style: Style) -> String {
    let mut lines: Vec<(String, &FdHolder, Vec<u32>)> = Vec::new();
    for fd in fds {
        let words = [Some(fd.kind.as_str()), fd.state.as_deref(), fd.peer.as_deref()];
        let kind = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let held = |fd: &FdHolder| fd.holder.as_ref().map(|h| (h.cause, h.name.clone()));
        let same =
            lines.iter_mut().find(|(k, f, _)| *k == kind && f.owner == fd.owner && held(f) == held(fd));
        match same {
            Some((_, _, numbers)) => numbers.push(fd.fd),
            None => lines.push((kind, fd, vec![fd.fd])),
        }
    }
    lines.iter().map(|(kind, fd, numbers)| format!("  {}\n", fd_line(kind, fd, numbers, style))).collect()
}

fn fd_line(kind: &str, fd: &FdHolder, numbers: &[u32], style: Style) -> String {
    let listed: Vec<String> = numbers.iter().take(NUMBERS).map(u32::to_string).collect();
    let more = if numbers.len() > NUMBERS { ", …" } else { "" };
    let name = match numbers {
        [one] => format!("fd {one} {kind}"),
        many => format!("{} × {kind} (fd {}{more})", many.len(), listed.join(", ")),
    };
    match (&fd.owner, &fd.holder) {
        (Some(owner), Some(held)) => {
            style.lang.fill(Heap::FdOwner, &[&name, owner, &holder(held, style.lang)])
        }
        _ => style.lang.fill(Heap::FdNobody, &[&name]),
    }
}
