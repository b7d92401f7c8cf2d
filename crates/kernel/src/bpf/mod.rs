//! Small programs in the kernel: put together here, checked by its verifier, gone when m5 goes.

mod assembler;
pub(crate) mod btf;
mod ring;
pub(crate) mod sys;

pub(crate) use assembler::{Assembler, Helper, If, Label, Reg};
pub(crate) use ring::Ring;
