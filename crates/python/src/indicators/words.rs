//! The state of an indicator as words of 64 bits: what it came to, without its parameters. An indicator of the same
//! parameters takes them back, in another process and another Python too.

/// What takes the words of a state one after the other, or gives others for them.
pub(super) type Pass<'a> = &'a mut dyn FnMut(&mut u64);

/// State that is made of words: always as many, in the same order, for the same parameters.
pub(super) trait Words {
    fn words(&mut self, pass: Pass<'_>);
}

/// The fields of a struct that change as values come.
macro_rules! words {
    ($type:ty: $($field:tt),+) => {
        impl super::words::Words for $type {
            fn words(&mut self, pass: super::words::Pass<'_>) {
                $(self.$field.words(pass);)+
            }
        }
    };
}
pub(super) use words;

impl Words for u64 {
    fn words(&mut self, pass: Pass<'_>) {
        pass(self);
    }
}

impl Words for f64 {
    fn words(&mut self, pass: Pass<'_>) {
        let mut bits = self.to_bits();
        pass(&mut bits);
        *self = Self::from_bits(bits);
    }
}

impl Words for usize {
    fn words(&mut self, pass: Pass<'_>) {
        let mut number = *self as u64;
        pass(&mut number);
        *self = number as Self;
    }
}

impl Words for bool {
    fn words(&mut self, pass: Pass<'_>) {
        let mut flag = u64::from(*self);
        pass(&mut flag);
        *self = flag != 0;
    }
}

impl<A: Words, B: Words> Words for (A, B) {
    fn words(&mut self, pass: Pass<'_>) {
        self.0.words(pass);
        self.1.words(pass);
    }
}

impl<T: Words> Words for [T] {
    fn words(&mut self, pass: Pass<'_>) {
        for each in self {
            each.words(pass);
        }
    }
}

impl<T: Words, const N: usize> Words for [T; N] {
    fn words(&mut self, pass: Pass<'_>) {
        self.as_mut_slice().words(pass);
    }
}

impl<T: Words + ?Sized> Words for Box<T> {
    fn words(&mut self, pass: Pass<'_>) {
        self.as_mut().words(pass);
    }
}

/// One word that tells torn states from whole ones.
fn check(words: &[u64]) -> u64 {
    words
        .iter()
        .fold(words.len() as u64, |sum, w| (sum.rotate_left(5) ^ w).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// All words of a state, and one that says that it is whole.
pub(super) fn save(state: &mut impl Words) -> Vec<u64> {
    let mut all = Vec::new();
    state.words(&mut |word| all.push(*word));
    all.push(check(&all));
    all
}

/// Puts words in the place of a state's own; whether they are such a state's. If not, it may be anything.
pub(super) fn load(state: &mut impl Words, saved: &[u64]) -> bool {
    let Some((_, words)) = saved.split_last().filter(|(whole, words)| **whole == check(words)) else {
        return false;
    };
    let (mut left, mut short) = (words.iter(), false);
    state.words(&mut |word| match left.next() {
        Some(saved) => *word = *saved,
        None => short = true,
    });
    !short && left.next().is_none()
}
