//! `cycle sdk|http|direct [prepare]`: debits whose answers by DynamoDB are known, for valgrind to
//! count. With `prepare` it stops before them.
//!
//! It allocates as a function does, so it is a program of its own.

mod debits;
mod tape;

use debits::{Cycle, Way};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (way, prepares) = match arguments[..] {
        [way] => (way, false),
        [way, "prepare"] => (way, true),
        _ => panic!("cycle sdk|http|direct [prepare]"),
    };
    let cycle = match way {
        "sdk" => Cycle::by_the_sdk(),
        "http" => Cycle::of(Way::Http),
        "direct" => Cycle::of(Way::Direct),
        _ => panic!("no way {way}"),
    };
    if !prepares {
        counted(&cycle);
        assert!(cycle.is_whole(), "fewer calls than were recorded");
    }
    // What it has is not freed: nothing of that is part of a debit.
    std::mem::forget(cycle);
}

/// What is counted: valgrind knows it by its name.
#[inline(never)]
fn counted(cycle: &Cycle) {
    cycle.play();
}
