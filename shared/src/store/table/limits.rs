//! The keys of limits: of their counts, their subjects, and those that were reached.

use aws_smithy_types::base64;

use crate::domain::limit::{Counter, Per, SubjectHash, Window};
use crate::domain::period::Day;
use crate::domain::{Credits, Instant};

/// The attribute of what was used of a limit: a letter for the kind of its window, eight for the
/// hash of the subject, and the window's first day, or of a period its first millisecond, all in
/// base64.
pub(in crate::store) fn counter_key(counter: &Counter) -> String {
    let Counter { of, window } = counter;
    let (letter, from) = match window.per {
        Per::Day => ('D', Some(i64::from(Day::of(window.from).days()))),
        Per::Week => ('W', Some(i64::from(Day::of(window.from).days()))),
        Per::Month => ('M', Some(i64::from(Day::of(window.from).days()))),
        Per::Period => ('P', Some(window.from.ms())),
        Per::Ever => ('E', None),
    };
    let from = from.map_or(String::new(), |from| {
        let bytes = from.to_be_bytes();
        let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len() - 1);
        base64::encode(&bytes[first..])
    });
    format!("{letter}{}{}", base64::encode(of.0), from.trim_end_matches('='))
}

/// The counter of an attribute. None: it is none of a counter.
pub(in crate::store) fn read_counter_key(key: &str) -> Option<Counter> {
    let per = match key.chars().next()? {
        'D' => Per::Day,
        'W' => Per::Week,
        'M' => Per::Month,
        'P' => Per::Period,
        'E' => Per::Ever,
        _ => return None,
    };
    let (hash, from) = (key.get(1..9)?, key.get(9..)?);
    let of = SubjectHash(base64::decode(hash).ok()?.try_into().ok()?);
    let padded = format!("{from}{}", &"==="[..(4 - from.len() % 4) % 4]);
    let bytes = base64::decode(padded).ok()?;
    let mut number = [0; 8];
    number.get_mut(8usize.checked_sub(bytes.len())?..)?.copy_from_slice(&bytes);
    let number = i64::from_be_bytes(number);
    let from = match per {
        Per::Day | Per::Week | Per::Month => Day::from_days(number.try_into().ok()?)?.start(),
        Per::Period => Instant::from_ms(number),
        Per::Ever => Instant::EPOCH,
    };
    Some(Counter { of, window: Window { per, from } })
}

/// The limits of an account's own.
pub(in crate::store) const LIMITS: &str = "L#own";

/// `L#<hash>`: the name of a subject.
pub(in crate::store) fn subject_key(of: SubjectHash) -> String {
    format!("L#{}", base64::encode(of.0))
}

/// Before the keys of limits that were reached. No hash of a subject has a `#`.
const REACHED: &str = "L#reached#";

/// `L#reached#<counter>#<number>`: a charge that a limit did not let pass, the first in its window.
/// The number is in micro-credits: a limit that was raised and is reached again is another.
pub(in crate::store) fn reached_key(counter: &Counter, at_most: Credits) -> String {
    format!("{REACHED}{}#{}", counter_key(counter), at_most.micro())
}

/// The counter of a reached limit's key. None: it is the key of another row.
pub(in crate::store) fn read_reached_key(key: &str) -> Option<Counter> {
    read_counter_key(key.strip_prefix(REACHED)?.split('#').next()?)
}
