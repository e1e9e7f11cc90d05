//! What hosts have said of one password, and who may try it next. Pure.
//!
//! Until one host has accepted it, one at a time tries it, and a refusal is the last word. From then on as many try it at once
//! as have accepted it, so that a fleet doubles its pace and a password that is right on one host alone costs few attempts.

use std::collections::BTreeSet;

/// Refusals one after the other, by hosts that had never accepted it, after which nobody else tries: directories lock an account
/// from three on.
const IN_A_ROW: usize = 2;

/// Why a password is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// This host refused it, and none accepted it.
    Here,
    /// This host refused it; others accepted it.
    HereAlone,
    /// Another host refused it, and none accepted it.
    Elsewhere,
    /// Some hosts accepted it, then others refused it one after the other.
    InARow,
}

/// Who may do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum May {
    Try,
    /// Others are trying it.
    Wait,
    Never(Refusal),
}

/// The hosts that tried it, by name.
#[derive(Debug, Default)]
pub(super) struct Proof {
    accepted: BTreeSet<String>,
    refused: BTreeSet<String>,
    trying: BTreeSet<String>,
    in_a_row: usize,
}

impl Proof {
    /// Whether this host may try it now; if so, it is counted as trying until [`Proof::over`].
    pub(super) fn may(&mut self, host: &str) -> May {
        if self.refused.contains(host) {
            return May::Never(self.refusal());
        }
        if self.accepted.contains(host) {
            return May::Try;
        }
        if let Some(why) = self.closed() {
            return May::Never(why);
        }
        if self.trying.contains(host) || self.trying.len() >= self.width() {
            return May::Wait;
        }
        self.trying.insert(host.to_owned());
        May::Try
    }

    /// Whether this host has accepted it before.
    pub(super) fn holds_on(&self, host: &str) -> bool {
        self.accepted.contains(host)
    }

    pub(super) fn accept(&mut self, host: &str) {
        self.accepted.insert(host.to_owned());
        self.in_a_row = 0;
    }

    /// Says whether others accepted it.
    pub(super) fn refuse(&mut self, host: &str) -> Refusal {
        self.accepted.remove(host);
        self.refused.insert(host.to_owned());
        self.in_a_row += 1;
        self.refusal()
    }

    /// The attempt has ended, however it went.
    pub(super) fn over(&mut self, host: &str) {
        self.trying.remove(host);
    }

    fn refusal(&self) -> Refusal {
        if self.accepted.is_empty() {
            Refusal::Here
        } else {
            Refusal::HereAlone
        }
    }

    /// For hosts that have not accepted it.
    fn closed(&self) -> Option<Refusal> {
        match self.in_a_row {
            0 => None,
            _ if self.accepted.is_empty() => Some(Refusal::Elsewhere),
            n => (n >= IN_A_ROW).then_some(Refusal::InARow),
        }
    }

    /// How many may try it at once: after a refusal one by one.
    fn width(&self) -> usize {
        if self.in_a_row > 0 {
            1
        } else {
            self.accepted.len().max(1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tries it to the end; whether it was tried at all.
    fn tries(proof: &mut Proof, host: &str, good: bool) -> Result<(), May> {
        let may = proof.may(host);
        if may != May::Try {
            return Err(may);
        }
        if good {
            proof.accept(host);
        } else {
            proof.refuse(host);
        }
        proof.over(host);
        Ok(())
    }

    #[test]
    fn one_host_with_another_password_holds_up_nobody() {
        let mut proof = Proof::default();
        let fleet = [
            ("a", true),
            ("odd", false),
            ("b", true),
            ("strange", false),
            ("c", true),
        ];
        for (host, good) in fleet {
            assert_eq!(tries(&mut proof, host, good), Ok(()), "{host}");
        }
        assert_eq!(proof.may("odd"), May::Never(Refusal::HereAlone), "once per host");
        assert_eq!(proof.may("a"), May::Try);
    }

    #[test]
    fn two_refusals_one_after_the_other_are_the_last_among_fifty() {
        let mut proof = Proof::default();
        tries(&mut proof, "bastion", true).expect("tried");
        let hosts: Vec<String> = (0..50).map(|n| format!("w{n}")).collect();
        let tried = hosts.iter().filter(|h| tries(&mut proof, h, false).is_ok());
        assert_eq!(tried.count(), 2);
        assert_eq!(proof.may("w49"), May::Never(Refusal::InARow));
        assert_eq!(proof.may("bastion"), May::Try, "where it is right it may be used");
    }

    #[test]
    fn the_more_have_accepted_it_the_more_try_it_at_once_and_one_after_a_refusal() {
        let mut proof = Proof::default();
        assert_eq!(
            (proof.may("a"), proof.may("b"), proof.may("a")),
            (May::Try, May::Wait, May::Wait)
        );
        for host in ["a", "b", "c"] {
            proof.accept(host);
            proof.over(host);
        }
        let four = ["d", "e", "f", "g"].map(|h| proof.may(h));
        assert_eq!(four, [May::Try, May::Try, May::Try, May::Wait]);
        proof.refuse("d");
        for host in ["d", "e", "f"] {
            proof.over(host);
        }
        assert_eq!((proof.may("g"), proof.may("h")), (May::Try, May::Wait));
    }

    #[test]
    fn a_host_that_no_longer_accepts_it_is_not_asked_again() {
        let mut proof = Proof::default();
        tries(&mut proof, "a", true).expect("tried");
        tries(&mut proof, "b", true).expect("tried");
        assert_eq!(proof.refuse("a"), Refusal::HereAlone);
        assert_eq!(
            (proof.may("a"), proof.may("b")),
            (May::Never(Refusal::HereAlone), May::Try)
        );
    }
}
