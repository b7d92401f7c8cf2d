//! What an architecture's own instructions do for whole arrays.

#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "x86_64")]
pub(super) use x86_64::run;

/// Runs an indicator over columns of finite numbers from `start` on; `false`: nothing was done.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn run(_: super::Spec, _: usize, _: &[&[f64]], _: &mut [&mut [f64]]) -> bool {
    false
}
