//! What entries and holds keep of limits, to packed bytes.

use super::form::{COUNTS, PERS, SUBJECTS};
use super::writer::Writer;
use crate::domain::Entry;
use crate::domain::limit::{Counted, Counter, HeldLimits, Limit, Per, Subject, Window};
use crate::domain::period::Day;

impl Writer {
    pub(super) fn per(&mut self, per: Per) {
        self.byte(per as u8);
    }

    pub(super) fn window(&mut self, window: Window) {
        self.per(window.per);
        match window.per {
            Per::Day | Per::Week | Per::Month => {
                self.number(u64::from(Day::of(window.from).days()));
            }
            Per::Period => self.instant(window.from),
            Per::Ever => {}
        }
    }

    /// The subjects beside the user, and what is counted for them and the user: by the place of the
    /// subject, with the number in force. `user` is what is written as the user: of an operator's
    /// entry it is the actor, and the reader does not know the kind yet.
    pub(super) fn limited(&mut self, entry: &Entry, user: Option<&str>) {
        let Entry { subjects, counts, .. } = entry;
        let flag = |flag: u8, is: bool| if is { flag } else { 0 };
        self.byte(flag(SUBJECTS, !subjects.is_empty()) | flag(COUNTS, !counts.is_empty()));
        if !subjects.is_empty() {
            self.number(subjects.len() as u64);
            subjects.iter().for_each(|of| self.text(of.as_str()));
        }
        if counts.is_empty() {
            return;
        }
        self.number(counts.len() as u64);
        let user = user.map(Subject::user);
        for Counted { of, window, at_most } in counts {
            let mut known = user.iter().chain(subjects);
            let place = known.position(|known| known == of).map_or(0, |place| place as u64 + 1);
            // Of a day, a week or a month it is the one that the entry's own time lies in.
            self.number(place * PERS + window.per as u64);
            if place == 0 {
                self.text(of.as_str());
            }
            if window.per == Per::Period {
                self.instant(window.from);
            }
            self.credits(*at_most);
        }
    }

    /// The subjects, then what was asked and what it counts for, by the places of subjects. Nothing
    /// if there is no subject.
    pub(super) fn held_limits(&mut self, limits: &HeldLimits) {
        let HeldLimits { subjects, asked, counts } = limits;
        if subjects.is_empty() {
            return;
        }
        self.number(subjects.len() as u64);
        subjects.iter().for_each(|of| self.text(of.as_str()));
        self.number(asked.len() as u64);
        for Limit { of, per, at_most } in asked {
            let place = subjects.iter().position(|subject| subject == of);
            self.number(place.unwrap_or_default() as u64);
            self.per(*per);
            self.credits(*at_most);
        }
        for Counter { of, window } in counts {
            let place = subjects.iter().position(|subject| subject.hash() == *of);
            self.number(place.unwrap_or_default() as u64);
            self.window(*window);
        }
    }
}
