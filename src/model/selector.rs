//! Which hosts a phase or a `--limit` means.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::host::{Host, Role};
use super::ids::HostName;

/// `all`, `masters`, `workers`, `etcd`, a host name, a glob (`worker*`), a list `a,b`, and `!x` to take hosts out; on the
/// command line also `@failed` and `@failed:RUN`, which whoever reads the ledgers resolves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Selector {
    text: String,
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    negated: bool,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    All,
    Role(Role),
    Glob(String),
    /// The hosts that a run left behind: the last one, or this one. Means no host until it is resolved.
    Failed(Option<String>),
}

impl Selector {
    /// Every host.
    pub fn all() -> Self {
        Self {
            text: "all".to_owned(),
            terms: vec![Term {
                negated: false,
                what: What::All,
            }],
        }
    }

    /// Whether the host is meant. Only negative terms means "all but these".
    pub fn matches(&self, host: &Host) -> bool {
        let mut positives = self.terms.iter().filter(|t| !t.negated).peekable();
        let wanted = positives.peek().is_none() || positives.any(|t| t.what.matches(host));
        wanted && !self.terms.iter().any(|t| t.negated && t.what.matches(host))
    }

    /// Whether a ledger must be asked which hosts are meant.
    pub fn names_a_run(&self) -> bool {
        self.terms.iter().any(|t| matches!(t.what, What::Failed(_)))
    }

    /// Replaces `@failed` by the hosts that `lookup` gives for it. A run that left none behind means no host.
    ///
    /// # Errors
    /// Those of `lookup`.
    pub fn resolved<E>(&self, mut lookup: impl FnMut(Option<&str>) -> Result<Vec<HostName>, E>) -> Result<Self, E> {
        let mut terms = Vec::new();
        for term in &self.terms {
            let What::Failed(run) = &term.what else {
                terms.push(term.clone());
                continue;
            };
            let hosts = lookup(run.as_deref())?;
            terms.extend(hosts.iter().map(|h| Term {
                negated: term.negated,
                what: What::Glob(h.to_string()),
            }));
            if hosts.is_empty() && !term.negated {
                // A list without any positive term would mean everybody.
                terms.push(term.clone());
            }
        }
        let text = self.text.clone();
        Ok(Self { text, terms })
    }

    /// Terms that match no host at all: most likely a typing error.
    pub fn unmatched<'a>(&'a self, hosts: &[Host]) -> Vec<&'a str> {
        let dead = |t: &&Term| !hosts.iter().any(|h| t.what.matches(h));
        self.terms
            .iter()
            .filter(dead)
            .filter_map(|t| {
                if let What::Glob(g) = &t.what {
                    Some(g.as_str())
                } else {
                    None
                }
            })
            .collect()
    }
}

impl What {
    fn matches(&self, host: &Host) -> bool {
        match self {
            What::All => true,
            What::Role(role) => host.role == *role,
            What::Glob(glob) => glob_match(glob, host.name.as_str()),
            What::Failed(_) => false,
        }
    }
}

/// `*` any run of characters, `?` one character; nothing else is special.
pub fn glob_match(pattern: &str, text: &str) -> bool {
    let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut i, mut j, mut star) = (0, 0, None);
    while j < t.len() {
        if i < p.len() && (p[i] == '?' || p[i] == t[j]) && p[i] != '*' {
            (i, j) = (i + 1, j + 1);
        } else if i < p.len() && p[i] == '*' {
            star = Some((i, j));
            i += 1;
        } else if let Some((si, sj)) = star {
            (i, j) = (si + 1, sj + 1);
            star = Some((si, sj + 1));
        } else {
            return false;
        }
    }
    p[i..].iter().all(|c| *c == '*')
}

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let terms = text
            .split(',')
            .map(str::trim)
            .filter(|t| !t.is_empty())
            .map(parse_term)
            .collect::<Result<Vec<_>, _>>()?;
        if terms.is_empty() {
            return Err("an empty selector means no host; write `all`, `masters`, `workers` or host names".to_owned());
        }
        Ok(Self {
            text: text.to_owned(),
            terms,
        })
    }
}

fn parse_term(term: &str) -> Result<Term, String> {
    let (negated, name) = term.strip_prefix('!').map_or((false, term), |rest| (true, rest.trim()));
    let what = match name {
        "" => return Err("`!` stands before a group or host name".to_owned()),
        "all" => What::All,
        "masters" => What::Role(Role::ControlPlane),
        "workers" => What::Role(Role::Worker),
        "etcd" => What::Role(Role::Etcd),
        "@failed" => What::Failed(None),
        other => match (other.strip_prefix("@failed:"), other.starts_with('@')) {
            (Some(run), _) if !run.is_empty() => What::Failed(Some(run.to_owned())),
            (_, true) => return Err(format!("`{other}` means nothing; there is `@failed` and `@failed:RUN`")),
            _ => What::Glob(other.to_owned()),
        },
    };
    Ok(Term { negated, what })
}

impl TryFrom<String> for Selector {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Selector> for String {
    fn from(selector: Selector) -> String {
        selector.text
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(run: Option<&str>) -> Result<Vec<HostName>, String> {
        match run {
            None => Ok(vec!["w1".into(), "w2".into()]),
            Some("r1") => Ok(vec!["m1".into()]),
            Some(other) => Err(format!("no run {other}")),
        }
    }

    fn words(selector: &Selector) -> Vec<String> {
        let word = |t: &Term| match &t.what {
            What::Glob(g) => format!("{}{g}", if t.negated { "!" } else { "" }),
            other => format!("{other:?}"),
        };
        selector.terms.iter().map(word).collect()
    }

    #[test]
    fn failed_is_replaced_by_the_hosts_of_a_run() {
        let resolved = |text: &str| {
            let selector: Selector = text.parse().expect("a selector");
            assert!(selector.names_a_run(), "{text}");
            selector.resolved(failed).map(|s| words(&s))
        };
        assert_eq!(resolved("@failed,x*"), Ok(vec!["w1".into(), "w2".into(), "x*".into()]));
        assert_eq!(resolved("!@failed:r1"), Ok(vec!["!m1".into()]));
        assert!(resolved("@failed:r9").is_err());
        assert!("@failing".parse::<Selector>().is_err() && "@failed:".parse::<Selector>().is_err());
    }
}
