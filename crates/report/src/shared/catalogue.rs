//! The macro behind every catalogue of texts: an enum of sentences in each language.
//!
//! An entry is added to the `catalogue!` of its subject (`*words.rs`) as `Name: "English", "中文";`. `{}` stands
//! for a value; both languages take the same values in the same order (a test in `texts.rs` counts them).

/// Makes an enum of texts and their wording.
macro_rules! catalogue {
    ($(#[$doc:meta])* $name:ident { $($entry:ident: $en:expr, $zh:expr;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub enum $name { $($entry),* }

        impl $crate::Text for $name {
            fn template(self, lang: $crate::Lang) -> &'static str {
                match (self, lang) {
                    $(
                        (Self::$entry, $crate::Lang::En) => $en,
                        (Self::$entry, $crate::Lang::Zh) => $zh,
                    )*
                }
            }
        }

        #[cfg(test)]
        impl $name {
            pub(crate) const WORDINGS: &'static [(&'static str, &'static str, &'static str)] =
                &[$((stringify!($entry), $en, $zh)),*];
        }
    };
}

pub(crate) use catalogue;
