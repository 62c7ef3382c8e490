//! How easily a password is guessed, as zxcvbn estimates it: by dictionaries, keyboards, dates, repetitions and its owner's names.

use crate::opaque::normalized;

/// What anybody would try here.
const SHOP: &str = "primetrade";
/// Characters that are looked at. The time that an estimate takes grows steeply: below 10 ms for these, beyond a second for a hundred.
const LOOKED_AT: usize = 32;
/// Powers of ten of guesses that a password has to withstand: zxcvbn's "safely unguessable".
const ENOUGH: f64 = 8.0;
/// Parts of names that say too little to be held against anybody.
const SHORT: usize = 3;

/// Why the password is too easy to guess, and what would be better, if it is. Takes milliseconds.
pub fn weakness(password: &str, names: &[String]) -> Option<String> {
    let beginning: String = normalized(password).chars().take(LOOKED_AT).collect();
    let inputs: Vec<&str> = [SHOP].into_iter().chain(names.iter().flat_map(|name| parts(name))).collect();
    let estimate = zxcvbn::zxcvbn(&beginning, &inputs);
    if estimate.guesses_log10() >= ENOUGH {
        return None;
    }
    let mut sentences = vec!["Password is too easy to guess.".to_owned()];
    if let Some(feedback) = estimate.feedback() {
        sentences.extend(feedback.warning().map(|warning| warning.to_string()));
        sentences.extend(feedback.suggestions().iter().map(ToString::to_string));
    }
    Some(sentences.join(" "))
}

/// A name and the words in it.
fn parts(name: &str) -> impl Iterator<Item = &str> {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() >= SHORT);
    std::iter::once(name).chain(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> [String; 2] {
        ["ada_lovelace".into(), "countess@shop.example".into()]
    }

    #[test]
    fn what_is_guessed_easily_is_weak() {
        for weak in [
            "Passw0rd!",
            "qwertyuiop99",
            "aaaaaaaaaaaaaaaaaaaaaaaa",
            "abcabcabcabc",
            "10-12-1815",
            "primetrade2026",
            "PrimeTr4de!",
            "Lovelace1",
            "ada_lovelace!",
            "Countess99",
        ] {
            let advice = weakness(weak, &names()).unwrap_or_else(|| panic!("{weak}"));
            assert!(advice.len() > "Password is too easy to guess. ".len(), "{weak}: {advice}");
            assert!(!advice.contains(weak), "{advice}");
        }
        assert_eq!(weakness("Lovelace1815!", &[]), None, "for somebody of another name");
    }

    #[test]
    fn what_is_not_is_good() {
        for good in ["correct horse battery staple", "kX9#mQ2z", "Caf\u{e9} Noir 12", "пароль для лавки"]
        {
            assert_eq!(weakness(good, &names()), None, "{good}");
        }
    }

    #[test]
    fn it_does_not_matter_how_it_is_written() {
        assert_eq!(weakness("Cafe\u{301}\u{a0}1234", &[]).is_some(), weakness("Caf\u{e9} 1234", &[]).is_some());
    }

    #[test]
    fn the_end_of_a_long_password_is_not_looked_at() {
        let long = format!("correct horse battery staple and {}", "@4l0$".repeat(19));
        assert_eq!(weakness(&long, &[]), None);
    }
}
