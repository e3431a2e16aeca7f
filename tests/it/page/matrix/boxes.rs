//! The snapshot of a width: in each state the headings and messages, and the boxes of the parts.
//!
//! Boxes, not pixels, so that a machine with other fonts agrees: an edge may be some pixels off, and
//! a text may take a line more.

use std::path::Path;

/// How far an edge may be off, in px.
const EDGE_PX: f64 = 3.0;
/// How far a height may be off, in px and as a part of it: fonts break lines differently.
const HEIGHT_PX: f64 = 32.0;
const HEIGHT_PART: f64 = 0.1;

/// What was seen at a width, or is expected there: of each state its texts and its boxes.
pub(super) struct Seen {
    width: u32,
    states: Vec<(String, Vec<String>, Vec<String>)>,
}

impl Seen {
    pub(super) fn new(width: u32) -> Seen {
        Seen { width, states: Vec::new() }
    }

    pub(super) fn add(&mut self, state: &str, said: Vec<String>, boxes: Vec<String>) {
        self.states.push((state.to_owned(), said, boxes));
    }

    /// Compares what was seen with the snapshot. `UPDATE_EXPECT=1` writes it.
    pub(super) fn assert_expected(&self) {
        let file = format!("it/snapshots/page-{}.txt", self.width);
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let seen = self.to_text();
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            return std::fs::write(&file, seen).expect("the snapshot is written");
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        let (seen_lines, expected_lines) = (seen.lines(), expected.lines());
        let differ = seen_lines.zip(expected_lines).find(|(seen, expected)| !same(seen, expected));
        if let Some((seen, expected)) = differ {
            panic!("{}:\nseen     {seen}\nexpected {expected}", file.display());
        }
        assert_eq!(seen.lines().count(), expected.lines().count(), "states of {}", file.display());
    }

    /// A state is three lines: its name, its texts, its boxes as name, left edge, width, height.
    fn to_text(&self) -> String {
        let states = self.states.iter();
        let lines = states.map(|(state, said, boxes)| {
            format!("{state}\n  {}\n  {}\n", said.join(" | "), boxes.join(", "))
        });
        lines.collect()
    }
}

/// Whether two lines of snapshots agree.
fn same(seen: &str, expected: &str) -> bool {
    match (boxes(seen), boxes(expected)) {
        (Some(seen), Some(expected)) => {
            let pairs = || seen.iter().zip(&expected);
            seen.len() == expected.len() && pairs().all(|(seen, expected)| near(seen, expected))
        }
        _ => seen == expected,
    }
}

type Part<'a> = (&'a str, [f64; 3]);

/// The boxes of a line. None: it has texts.
fn boxes(line: &str) -> Option<Vec<Part<'_>>> {
    let parts = line.trim().split(", ").map(|part| {
        let mut words = part.split(' ');
        let name = words.next()?;
        let numbers: Vec<f64> = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
        Some((name, <[f64; 3]>::try_from(numbers).ok()?))
    });
    parts.collect()
}

fn near(seen: &Part<'_>, expected: &Part<'_>) -> bool {
    let ([left, width, height], [left_then, width_then, height_then]) = (seen.1, expected.1);
    let may = HEIGHT_PX.max(height_then * HEIGHT_PART);
    seen.0 == expected.0
        && (left - left_then).abs() <= EDGE_PX
        && (width - width_then).abs() <= EDGE_PX
        && (height - height_then).abs() <= may
}

#[test]
fn a_box_may_be_a_line_higher_and_no_wider() {
    let expected = "  hero 16 343 400, plan 16 343 100";
    assert!(same("  hero 16 344 440, plan 16 343 125", expected));
    assert!(!same("  hero 16 343 441, plan 16 343 100", expected));
    assert!(!same("  hero 16 350 400, plan 16 343 100", expected));
    assert!(!same("  hero 16 343 400", expected));
    assert!(!same("  Plan | Usage", "  Plan | Limits"));
}
