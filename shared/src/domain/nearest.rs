//! Finds the known word nearest to the word that a request sent, for "did you mean".

/// The longest word that is compared, in bytes: no name in a catalog and no field is longer.
const LONGEST: usize = 128;

/// The word of `known` that `sent` becomes with the fewest letters changed, added, left out or
/// swapped, ignoring case: at most one in three of its letters, and one of a shorter word. None: no
/// word is that near.
pub fn nearest<'a>(sent: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    if sent.len() > LONGEST {
        return None;
    }
    let sent = sent.to_lowercase();
    let near = known.into_iter().filter_map(|word| {
        let changes = strsim::osa_distance(&sent, &word.to_lowercase());
        (changes <= (word.len() / 3).max(1)).then_some((changes, word))
    });
    near.min_by_key(|(changes, _)| *changes).map(|(_, word)| word.to_owned())
}

/// As [`nearest`], but only a slip of the keyboard: the same digits, two letters changed at most.
/// The names of models differ by little, and another one has other rates.
pub fn misspelt<'a>(sent: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let digits = |word: &str| word.chars().filter(char::is_ascii_digit).collect::<String>();
    let meant = nearest(sent, known)?;
    let changes = strsim::osa_distance(&sent.to_lowercase(), &meant.to_lowercase());
    (changes <= 2 && digits(sent) == digits(&meant)).then_some(meant)
}
