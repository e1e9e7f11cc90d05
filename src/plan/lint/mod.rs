//! What makes a plan dangerous, by name. An error here stops everything before anything is changed.

mod drain_rules;
mod etcd_rules;
mod facts_rules;
mod identity_rules;
mod kubelet_rules;
pub(in crate::plan) mod order_rules;
mod shape_rules;
pub(in crate::plan) mod strategy_rules;

use super::planner::PlanInput;
use super::types::{Note, Plan};

/// All rules, in the order in which a person would check.
pub(super) fn lint(input: &PlanInput<'_>, plan: &Plan) -> Vec<Note> {
    let rules: [fn(&PlanInput<'_>, &Plan) -> Vec<Note>; 23] = [
        facts_rules::unreachable,
        facts_rules::no_root,
        facts_rules::ca_expired,
        facts_rules::ca_key_missing,
        facts_rules::files_of_its_own,
        shape_rules::made_by_another,
        shape_rules::split_roles,
        shape_rules::port_not_asked,
        etcd_rules::signed_elsewhere,
        shape_rules::parked_manifests,
        identity_rules::copied_certificates,
        facts_rules::clock_skew,
        kubelet_rules::kubelet_client_expired,
        kubelet_rules::kubelet_believes_another,
        facts_rules::disk_space,
        facts_rules::problems,
        strategy_rules::masters_left_out,
        order_rules::workers_before_masters,
        order_rules::outage_not_accepted,
        order_rules::no_gate,
        drain_rules::drain_masters,
        drain_rules::drain_for_nothing,
        drain_rules::drain_too_many,
    ];
    rules.iter().flat_map(|rule| rule(input, plan)).collect()
}
