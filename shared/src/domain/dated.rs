//! Dated values: values that the catalog changes on Mondays, announced in advance.

use super::Instant;

/// A value that changes on given dates. The value in force at an instant never changes, so a late
/// advance uses the value of that instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dated<T> {
    first: T,
    /// The later ones, each with the instant from which it is in force: in order.
    then: Vec<(Instant, T)>,
}

impl<T: Copy + PartialEq> Dated<T> {
    /// The same at all times.
    pub const fn always(value: T) -> Dated<T> {
        Dated { first: value, then: Vec::new() }
    }

    /// `first`, and from their dates on the others. None if these are not in order.
    pub fn new(first: T, then: Vec<(Instant, T)>) -> Option<Dated<T>> {
        then.is_sorted_by(|one, two| one.0 < two.0).then_some(Dated { first, then })
    }

    /// The value in force at `now`.
    pub fn at(&self, now: Instant) -> T {
        let begun = self.then.iter().take_while(|(from, _)| *from <= now);
        begun.last().map_or(self.first, |(_, value)| *value)
    }

    /// The instants from which another value is in force, in order.
    pub fn changes(&self) -> impl Iterator<Item = Instant> {
        self.then.iter().map(|(from, _)| *from)
    }

    /// Every value that there ever is.
    pub fn values(&self) -> impl Iterator<Item = T> {
        std::iter::once(self.first).chain(self.then.iter().map(|(_, value)| *value))
    }

    /// Whether both are the same at every instant before `end`.
    pub fn is_same_before(&self, other: &Dated<T>, end: Instant) -> bool {
        let changes = self.changes().chain(other.changes()).filter(|from| *from < end);
        std::iter::once(Instant::EPOCH).chain(changes).all(|at| self.at(at) == other.at(at))
    }
}
