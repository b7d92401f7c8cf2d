//! Images of a real interpreter with wounds: every eight bytes of the input are one.
#![no_main]

#[path = "../../crates/heap/tests/wounds/mod.rs"]
mod wounds;

use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;
use wounds::Sound;

/// `M5_FUZZ_PYTHON` chooses the interpreter by a part of its name; the newest one otherwise.
fn sound() -> &'static Sound {
    static SOUND: OnceLock<Sound> = OnceLock::new();
    SOUND.get_or_init(|| {
        let wanted = std::env::var("M5_FUZZ_PYTHON").unwrap_or_default();
        let all = m5_testkit::pythons();
        let python = all.iter().rfind(|p| p.name.contains(&wanted));
        Sound::of(python.expect("an interpreter"))
    })
}

fuzz_target!(|data: &[u8]| {
    let sound = sound();
    sound.examine(&sound.wounded(data));
});
