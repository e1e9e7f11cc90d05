//! A plan in a file, with the facts it was made from: shown today, approved tomorrow, applied exactly so or not at all.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{HostFacts, HostName};

use super::types::{PLAN_FORMAT, Plan};

/// The form of the file; counts up when a reader must change.
const SAVED_FORMAT: u32 = 1;

/// What `renew --dry-run --out FILE` writes and `apply FILE` reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SavedPlan {
    /// Always 1; a newer certfleet may write more.
    pub saved_plan: u32,
    /// SHA-256 of the plan's JSON: what was approved is what runs.
    pub hash: String,
    pub plan: Plan,
    pub facts: BTreeMap<HostName, HostFacts>,
}

impl SavedPlan {
    /// The plan with its facts.
    pub fn new(plan: Plan, facts: BTreeMap<HostName, HostFacts>) -> Self {
        Self {
            saved_plan: SAVED_FORMAT,
            hash: plan.hash(),
            plan,
            facts,
        }
    }

    /// The file's text.
    pub fn to_json(&self) -> String {
        // Plans and facts are made of text, numbers and lists: they always have a JSON form.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Reads the file's text.
    ///
    /// # Errors
    /// No saved plan, one of a newer form, or one that was changed by hand; a sentence.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|e| format!("not JSON: {e}"))?;
        match value.get("saved-plan").and_then(serde_json::Value::as_u64) {
            Some(format) if format == u64::from(SAVED_FORMAT) => {}
            Some(format) => {
                return Err(format!(
                    "form {format} is not known to this certfleet, which reads {SAVED_FORMAT}"
                ));
            }
            None => return Err("not a saved plan: make one with `certfleet renew --dry-run --out FILE`".to_owned()),
        }
        let saved: Self = serde_json::from_value(value).map_err(|e| format!("not a saved plan: {e}"))?;
        if saved.plan.format != PLAN_FORMAT {
            return Err(format!(
                "the plan has form {}, this certfleet reads {PLAN_FORMAT}",
                saved.plan.format
            ));
        }
        if saved.plan.hash() != saved.hash {
            return Err("the plan was changed after it was saved: its checksum does not match".to_owned());
        }
        Ok(saved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn saved() -> SavedPlan {
        let plan = Plan {
            format: PLAN_FORMAT,
            cluster: "prod".to_owned(),
            playbook: "renew".to_owned(),
            created: jiff::Timestamp::UNIX_EPOCH,
            hosts: Vec::new(),
            phases: Vec::new(),
            choice: None,
            asked_with: None,
            outage: None,
            notes: Vec::new(),
        };
        SavedPlan::new(plan, BTreeMap::from([("m1".into(), HostFacts::unknown("m1".into()))]))
    }

    #[test]
    fn what_is_saved_is_read_and_a_changed_plan_is_refused() {
        let text = saved().to_json();
        assert_eq!(SavedPlan::parse(text.as_bytes()), Ok(saved()));
        let changed = text.replacen("\"prod\"", "\"test\"", 1);
        assert!(SavedPlan::parse(changed.as_bytes()).unwrap_err().contains("checksum"));
        assert!(SavedPlan::parse(b"{}").unwrap_err().contains("--out"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_error_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(SavedPlan::parse(&bytes).is_err());
        }
    }
}
