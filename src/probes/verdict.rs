//! What one look at a probe says about a gate.

use serde::{Deserialize, Serialize};

/// One look: good, not yet, or never.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The condition holds; what was seen.
    Pass(String),
    /// Not yet; what was seen. Shown when the gate runs out of time.
    Wait(String),
    /// Waiting cannot help.
    Fail { reason: String, remedy: String },
}

impl Verdict {
    /// A [`Verdict::Pass`].
    pub fn pass(seen: impl Into<String>) -> Self {
        Self::Pass(seen.into())
    }

    /// A [`Verdict::Wait`].
    pub fn wait(seen: impl Into<String>) -> Self {
        Self::Wait(seen.into())
    }

    /// A [`Verdict::Fail`].
    pub fn fail(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Fail {
            reason: reason.into(),
            remedy: remedy.into(),
        }
    }

    /// The condition holds.
    pub fn passed(&self) -> bool {
        matches!(self, Self::Pass(_))
    }

    /// What was seen, without the remedy.
    pub fn seen(&self) -> &str {
        match self {
            Self::Pass(seen) | Self::Wait(seen) => seen,
            Self::Fail { reason, .. } => reason,
        }
    }

    /// The worst of several: the first failure, else everything that is waited for, else what was seen.
    pub fn all(verdicts: impl IntoIterator<Item = Verdict>) -> Self {
        let verdicts: Vec<Verdict> = verdicts.into_iter().collect();
        if let Some(fail) = verdicts.iter().find(|v| matches!(v, Self::Fail { .. })) {
            return fail.clone();
        }
        let join = |want: fn(&&Verdict) -> bool| {
            let seen: Vec<&str> = verdicts.iter().filter(want).map(Verdict::seen).collect();
            seen.join("; ")
        };
        if verdicts.iter().all(Verdict::passed) {
            Self::Pass(join(|_| true))
        } else {
            Self::Wait(join(|v| !v.passed()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_several_wins() {
        let (pass, wait) = (Verdict::pass("a"), Verdict::wait("b"));
        assert_eq!(Verdict::all([pass.clone(), wait.clone()]), Verdict::wait("b"));
        assert_eq!(Verdict::all([pass.clone(), pass.clone()]), Verdict::pass("a; a"));
        assert_eq!(
            Verdict::all([wait, Verdict::fail("c", "d"), pass]),
            Verdict::fail("c", "d")
        );
    }
}
