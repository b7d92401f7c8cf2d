//! Command lines hold passwords and keys; a document that leaves the machine must not.

const WORDS: [&str; 9] =
    ["password", "passwd", "secret", "token", "apikey", "api_key", "api-key", "credential", "private_key"];
const MASK: &str = "***";

/// Replaces what looks like a secret: `--token=x`, `--token x`, `API_KEY=x`, `://user:pass@`.
#[must_use]
pub fn redact(command: &[String]) -> Vec<String> {
    let mut out = Vec::with_capacity(command.len());
    let mut next_is_secret = false;
    for word in command {
        if std::mem::take(&mut next_is_secret) && !word.starts_with('-') {
            out.push(MASK.to_owned());
            continue;
        }
        match word.split_once('=') {
            Some((name, _)) if secret(name) => out.push(format!("{name}={MASK}")),
            None if word.starts_with('-') && secret(word) => {
                next_is_secret = true;
                out.push(word.clone());
            }
            _ => out.push(url(word)),
        }
    }
    out
}

/// A name of one word: a script's text given with `-c` is no name.
fn secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    !name.contains(char::is_whitespace) && WORDS.iter().any(|w| lower.contains(w))
}

fn url(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else { return word.to_owned() };
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.rsplit_once('@').and_then(|(user, _)| Some((user, user.split_once(':')?.0))) {
        Some((whole, user)) => format!("{scheme}://{user}:{MASK}{}", &rest[whole.len()..]),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn secrets_are_masked_and_the_rest_stays() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let got = redact(&words(
            "python app.py --api-key=s3 --token s3 -p 80 DB_PASSWORD=s3 pg://u:s3@h/db -c x=1",
        ));
        let want = "python app.py --api-key=*** --token *** -p 80 DB_PASSWORD=*** pg://u:***@h/db -c x=1";
        assert_eq!(got.join(" "), want);
    }

    proptest! {
        #[test]
        fn never_panics(command in proptest::collection::vec("\\PC{0,30}", 0..6)) {
            prop_assert_eq!(redact(&command).len(), command.len());
        }
    }
}
