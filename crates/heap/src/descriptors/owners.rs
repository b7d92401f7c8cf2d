//! Finds the Python objects that own descriptors: sockets, raw files, selectors.

use crate::{Analysis, Describer, FdHolder, Image};
use m5_cpython::layout::objects::type_fields as tf;
use m5_process::{FdKind, Process, fd_kind, socket_inode};
use rustc_hash::FxHashMap;

/// Builtin classes that own a descriptor and keep it as an `int` right behind the object's head.
const OWNERS: [&str; 3] = ["_socket.socket", "_io.FileIO", "select.epoll"];
const FD_OFFSET: u64 = 16;
/// More bases than any class has in a row.
const DEEPEST: usize = 64;

/// The owner of each descriptor, as an object's number.
pub(crate) fn fd_owners(image: &Image, analysis: &Analysis) -> FxHashMap<u32, u32> {
    let graph = &analysis.graph;
    let owning: Vec<bool> = graph.types.iter().map(|t| owns(image, analysis, t.address)).collect();
    let mut owners = FxHashMap::default();
    for (object, kind) in graph.type_id.iter().enumerate() {
        if !owning.get(*kind as usize).copied().unwrap_or(false) {
            continue;
        }
        let word = graph.address.get(object).and_then(|at| image.word_at(*at, FD_OFFSET));
        // The other half of the word is another field; a closed one is −1.
        if let Some(fd) = word.map(|w| w as i32).filter(|fd| *fd >= 0) {
            owners.insert(fd as u32, object as u32);
        }
    }
    owners
}

/// Whether a class is one of the owners or descends from one.
fn owns(image: &Image, analysis: &Analysis, class: u64) -> bool {
    let mut at = class;
    for _ in 0..DEEPEST {
        let name = analysis.census.types.number(at).and_then(|n| analysis.census.types.get(n));
        if name.is_some_and(|t| OWNERS.contains(&t.name.as_str())) {
            return true;
        }
        match image.word_at(at, tf::BASE) {
            Some(base) if base != 0 && base != at => at = base,
            _ => return false,
        }
    }
    false
}

/// Every open descriptor with its owner and holder.
pub(crate) fn fd_holders(
    process: &Process,
    owners: &FxHashMap<u32, u32>,
    describer: &Describer<'_>,
) -> Vec<FdHolder> {
    let links = process.fd_links().unwrap_or_default();
    let sockets = process.socket_table().ok();
    let told = |(fd, link): (u32, String)| {
        let group =
            socket_inode(&link).and_then(|inode| sockets.as_ref()?.groups(&[inode]).into_iter().next());
        let owner = owners.get(&fd).copied();
        FdHolder {
            fd,
            kind: kind_word(fd_kind(&link)).to_owned(),
            state: group.as_ref().map(|g| g.state.clone()),
            peer: group.map(|g| g.peer).filter(|p| !p.is_empty()),
            owner: owner.map(|o| describer.type_name(o).to_owned()),
            holder: owner.map(|o| describer.holder(o)),
        }
    };
    links.into_iter().map(told).collect()
}

fn kind_word(kind: FdKind) -> &'static str {
    match kind {
        FdKind::File => "file",
        FdKind::Socket => "socket",
        FdKind::Pipe => "pipe",
        FdKind::Eventpoll => "eventpoll",
        FdKind::Anon => "anon",
        FdKind::Memfd => "memfd",
    }
}
