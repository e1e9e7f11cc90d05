//! Which hosts a phase or a `--limit` means.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::host::{Host, Role};

/// `all`, `masters`, `workers`, `etcd`, a host name, a glob (`worker*`), a list `a,b`, and `!x` to take hosts out.
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
        glob => What::Glob(glob.to_owned()),
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
