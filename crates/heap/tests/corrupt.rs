//! Torn and corrupted images: whatever the bytes say, the analysis ends, and soon, without a panic. The same
//! wounds each time; `M5_CORRUPT_CASES` asks for more of them, and `fuzz/` looks for others.

mod wounds;

use m5_testkit::pythons;
use wounds::Sound;

const CASES: u64 = 40;

fn cases() -> u64 {
    std::env::var("M5_CORRUPT_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(CASES)
}

/// Eight bytes of a plan, always the same ones.
fn plan(case: u64) -> Vec<u8> {
    let mut state = case.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let words = 1 << (case % 11);
    let random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes()
    };
    std::iter::repeat_with(random).take(words).flatten().collect()
}

#[test]
fn no_image_is_too_broken() {
    let all = pythons();
    let some = [all.first(), all.get(all.len() / 2), all.last()];
    std::thread::scope(|scope| {
        for python in some.into_iter().flatten() {
            scope.spawn(move || {
                let sound = Sound::of(python);
                (0..cases()).for_each(|case| sound.examine(&sound.wounded(&plan(case))));
            });
        }
    });
}
