//! Which Python object owns a descriptor, and who holds that object.

use crate::Holder;
use serde::{Deserialize, Serialize};

/// An open descriptor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FdHolder {
    /// Its number.
    pub fd: u32,
    /// What it is: `socket`, `file`, `pipe`…
    pub kind: String,
    /// For a TCP socket its state (`CLOSE_WAIT`) and peer.
    pub state: Option<String>,
    /// The other end of a socket.
    pub peer: Option<String>,
    /// Type of the Python object that owns it; absent where none was found (native code owns it).
    pub owner: Option<String>,
    /// Who holds the owner.
    pub holder: Option<Holder>,
}
