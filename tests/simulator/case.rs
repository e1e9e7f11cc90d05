//! One case: which playbook, what goes wrong, at which event, on which host. Written `renew kill 57 m1`.

use std::fmt;
use std::str::FromStr;

use crate::shapes;

/// The fleet of every case, masters first.
pub(crate) const HOSTS: [&str; 5] = ["m1", "m2", "m3", "w1", "w2"];
/// Where etcd has hosts of its own.
const WITH_ETCD: [&str; 5] = ["m1", "w1", "e1", "e2", "e3"];

/// What is done to the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Book {
    /// A dead cluster, everything at once.
    Renew,
    /// A cluster that was off until no kubelet could start.
    Kubelets,
    /// A healthy cluster, one master after the other.
    Rolling,
    /// An expired one with its etcd on hosts of its own, of which the first signs for all.
    Etcd,
    /// One of `shapes.rs`, by its number.
    Shape(u8),
    /// Healthy workers, restarted one by one on drained nodes.
    Drain,
}

impl Book {
    fn hosts(self) -> &'static [&'static str; 5] {
        if self == Book::Etcd { &WITH_ETCD } else { &HOSTS }
    }
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    Nothing,
    /// The controller dies; at odd events in the middle of the next line.
    Kill,
    /// It dies again when it is resumed.
    KillTwice,
    /// The host loses its power, and the controller dies.
    RebootAndKill,
    Reboot,
    /// The connection ends before the host's next command is sent.
    DropBefore,
    /// While it runs.
    DropDuring,
    /// When it has ended, before its exit status is heard.
    DropAfter,
    /// The next command never answers.
    Hang,
    /// None does, until a person comes.
    HangForGood,
    /// Until a person comes.
    DiskFull,
    ClockAhead,
    ClockBehind,
}

pub(crate) const TROUBLES: [(Trouble, &str); 13] = [
    (Trouble::Nothing, "nothing"),
    (Trouble::Kill, "kill"),
    (Trouble::KillTwice, "kill-twice"),
    (Trouble::RebootAndKill, "reboot-and-kill"),
    (Trouble::Reboot, "reboot"),
    (Trouble::DropBefore, "drop-before"),
    (Trouble::DropDuring, "drop-during"),
    (Trouble::DropAfter, "drop-after"),
    (Trouble::Hang, "hang"),
    (Trouble::HangForGood, "hang-for-good"),
    (Trouble::DiskFull, "disk-full"),
    (Trouble::ClockAhead, "clock-ahead"),
    (Trouble::ClockBehind, "clock-behind"),
];

const BOOKS: [(Book, &str); 5] = [
    (Book::Renew, "renew"),
    (Book::Kubelets, "kubelets"),
    (Book::Rolling, "rolling"),
    (Book::Etcd, "etcd"),
    (Book::Drain, "drain"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) book: Book,
    pub(crate) trouble: Trouble,
    /// Strikes when this event is on disk.
    pub(crate) at: u64,
    pub(crate) host: &'static str,
}

impl Case {
    /// Everything follows from the seed; `events` is how many a run without trouble has.
    pub(crate) fn of(seed: u64, events: impl Fn(Book) -> u64) -> Self {
        let mut noise = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0xd1b5_4a32_d192_ed03;
        let mut draw = |below: u64| {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            noise % below
        };
        let pick = |n: u64| usize::try_from(n).expect("small");
        let book = match draw(8) {
            0 | 1 => Book::Rolling,
            2 => Book::Kubelets,
            3 => Book::Drain,
            4 => Book::Etcd,
            _ => Book::Renew,
        };
        // In turn, so that a few seeds have seen them all; the first is no trouble.
        let (trouble, _) = TROUBLES[1 + pick(seed % 12)];
        Self {
            book,
            trouble,
            at: 1 + draw(events(book)),
            host: book.hosts()[pick(draw(5))],
        }
    }

    pub(crate) fn calm(book: Book) -> Self {
        Self {
            book,
            trouble: Trouble::Nothing,
            at: 0,
            host: HOSTS[0],
        }
    }

    pub(crate) fn kills(&self) -> bool {
        matches!(
            self.trouble,
            Trouble::Kill | Trouble::KillTwice | Trouble::RebootAndKill
        )
    }

    pub(crate) fn reboots(&self) -> bool {
        matches!(self.trouble, Trouble::Reboot | Trouble::RebootAndKill)
    }

    pub(crate) fn bends_the_clock(&self) -> bool {
        matches!(self.trouble, Trouble::ClockAhead | Trouble::ClockBehind)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let book = match self.book {
            Book::Shape(number) => shapes::name(number),
            _ => BOOKS.iter().find(|(b, _)| *b == self.book).map_or("", |(_, w)| w),
        };
        let trouble = TROUBLES.iter().find(|(t, _)| *t == self.trouble).map_or("", |(_, w)| w);
        write!(f, "{book} {trouble} {} {}", self.at, self.host)
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [book, trouble, at, host] = words.as_slice() else {
            return Err("a case is written `renew kill 57 m1`".to_owned());
        };
        let unknown = |word: &str| format!("`{word}` is not known");
        Ok(Self {
            book: match BOOKS.iter().find(|(_, w)| w == book) {
                Some((known, _)) => *known,
                None => shapes::named(book).ok_or_else(|| unknown(book))?,
            },
            trouble: TROUBLES
                .iter()
                .find(|(_, w)| w == trouble)
                .ok_or_else(|| unknown(trouble))?
                .0,
            at: at.parse().map_err(|_| unknown(at))?,
            host: HOSTS
                .iter()
                .chain(&WITH_ETCD)
                .find(|h| *h == host)
                .ok_or_else(|| unknown(host))?,
        })
    }
}
