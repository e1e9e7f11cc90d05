//! Do controller-manager and scheduler of a master say that they are well? (`certfleet:component-health`)

use crate::model::{Command, Output, scripts};

use super::error::{ProbeError, text_of};
use super::verdict::Verdict;

const WHAT: &str = "component-health";

/// What one component says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentHealth {
    /// `kube-scheduler`.
    pub component: String,
    pub answer: Answer,
}

/// The answer to `/healthz`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Where it was asked.
    Well(String),
    /// It answers badly, or not at all.
    Ill(String),
    /// It cannot be asked; why.
    Unknown(String),
}

/// The script finds ports and addresses in the manifests.
pub fn command() -> Command {
    Command::script(&scripts::COMPONENT_HEALTH, Vec::<String>::new())
}

/// # Errors
/// The script did not run.
pub fn parse(output: &Output) -> Result<Vec<ComponentHealth>, ProbeError> {
    let text = text_of(WHAT, output)?;
    text.lines().map(line).collect()
}

fn line(line: &str) -> Result<ComponentHealth, ProbeError> {
    let fields: Vec<&str> = line.splitn(3, '\t').collect();
    let (component, answer) = match fields.as_slice() {
        [name, "ok", at] => (name, Answer::Well((*at).to_owned())),
        [name, "ill", why] => (name, Answer::Ill((*why).to_owned())),
        [name, "unknown", why] => (name, Answer::Unknown((*why).to_owned())),
        _ => return Err(ProbeError::format(WHAT, line)),
    };
    Ok(ComponentHealth {
        component: (*component).to_owned(),
        answer,
    })
}

/// Both, as far as they can be asked. One that cannot is said to be unproven by this: its container is all there is to go by.
pub fn judge(components: &[ComponentHealth]) -> Verdict {
    if components.is_empty() {
        return Verdict::wait("neither controller-manager nor scheduler has a manifest here");
    }
    Verdict::all(components.iter().map(|c| match &c.answer {
        Answer::Well(_) => Verdict::pass(format!("{} is well", c.component)),
        Answer::Ill(why) => Verdict::wait(format!("{}: {why}", c.component)),
        Answer::Unknown(why) => Verdict::pass(format!("{} is not proven by this: {why}", c.component)),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str) -> Verdict {
        judge(&parse(&Output::new(0, text, "")).unwrap())
    }

    #[test]
    fn both_must_be_well_and_who_cannot_be_asked_is_said() {
        let manager = "kube-controller-manager\tok\thttps://127.0.0.1:10257/healthz\n";
        assert!(
            judged(&format!(
                "{manager}kube-scheduler\tok\thttps://127.0.0.1:10259/healthz\n"
            ))
            .passed()
        );
        let refused = judged(&format!(
            "{manager}kube-scheduler\till\thttps://127.0.0.1:10259/healthz: refused\n"
        ));
        assert_eq!(
            refused,
            Verdict::wait("kube-scheduler: https://127.0.0.1:10259/healthz: refused")
        );
        let unasked = judged(&format!("{manager}kube-scheduler\tunknown\tno curl\n"));
        assert!(unasked.passed() && unasked.seen().contains("not proven by this: no curl"));
        assert!(!judged("").passed());
        assert!(parse(&Output::new(0, "rubbish\n", "")).is_err());
    }
}
