//! certfleet:drain with a kubectl that keeps one node in files.

use std::fs;

use certfleet::model::scripts;
use certfleet::model::{ExitStatus, Output, RunId};
use certfleet::probes::cordon::{self, CordonFacts, Left};

use crate::tree::{Tree, said, shells};

/// `off`, `by`, `drained`, `version` and `ready` (True without a file) are files; `budget` keeps a pod, `conflicts` counts changes
/// that somebody else wins, `down` counts questions that nobody answers. While it drains, `thief` takes the node over, and a person
/// opens it (`opened`) or makes the cordon his own (`adopted`). Every call is kept in `calls`.
const KUBECTL: &str = r#"
case $1 in --kubeconfig=*/etc/kubernetes/admin.conf) ;; *) echo "no kubeconfig: $1" >&2; exit 9 ;; esac
shift
case $1 in --request-timeout=*) shift ;; *) exit 9 ;; esac
value() { cat "$STATE/$1" 2>/dev/null; }
count() { n=$(value "$1"); [ "${n:-0}" -gt 0 ] || return 1; echo $((n - 1)) >"$STATE/$1"; }
echo "$*" >>"$STATE/calls"
case "$1 $*" in
drain\ *--help*) cat "$STATE/help" 2>/dev/null; exit 0 ;;
esac
if count down; then echo 'The connection to the server was refused' >&2; exit 1; fi
case $1 in
get)
	case $* in *'conditions[?(@.type=="Ready")].status}') ;; *) exit 9 ;; esac
	ready=$(value ready)
	printf '%s|%s|%s|%s|%s' "$(value version)" "$(value off)" "$(value by)" "$(value drained)" "${ready:-True}" ;;
patch)
	for word; do case $word in --patch=*) patch=${word#--patch=} ;; esac; done
	case $patch in *'"resourceVersion"'*)
		if count conflicts; then
			echo true >"$STATE/off"
			echo 'Error from server (Conflict): Operation cannot be fulfilled on nodes "w1"' >&2; exit 1
		fi
		case $patch in *'"resourceVersion":"'"$(value version)"'"'*) ;; *) echo Conflict >&2; exit 1 ;; esac
	esac
	case $patch in *'"unschedulable":true'*) echo true >"$STATE/off" ;; *'"unschedulable":null'*) rm -f "$STATE/off" ;; esac
	case $patch in *'cordoned-by":null'*) rm -f "$STATE/by" ;; *'cordoned-by":"'*) v=${patch#*cordoned-by\":\"}; echo "${v%%\"*}" >"$STATE/by" ;; esac
	case $patch in *'drained-by":null'*) rm -f "$STATE/drained" ;; *'drained-by":"'*) v=${patch#*drained-by\":\"}; echo "${v%%\"*}" >"$STATE/drained" ;; esac
	echo "node/w1 patched" ;;
drain)
	echo 'evicting pod shop/web-0'
	echo 'pod/web-0 evicted'
	if [ -f "$STATE/thief" ]; then value thief >"$STATE/by"; fi
	if [ -f "$STATE/opened" ]; then rm -f "$STATE/off"; fi
	if [ -f "$STATE/adopted" ]; then rm -f "$STATE/by"; fi
	if [ -f "$STATE/budget" ]; then
		echo "error when evicting pods/\"web-1\" -n \"shop\" (will retry after 5s): Cannot evict pod as it would violate the pod's disruption budget." >&2
		echo 'error: unable to drain node "w1", aborting command...' >&2
		exit 1
	fi
	echo 'node/w1 drained' ;;
*) exit 9 ;;
esac"#;

/// A tree in which a node is as it is given, and the same for every shell.
fn each(given: &[(&str, &str)], check: impl Fn(&dyn Fn(&str, &[&str]) -> Output, &Tree)) {
    for shell in shells() {
        let tree = Tree::new();
        tree.stub("kubectl", KUBECTL);
        // A pause that is only waited for.
        tree.stub("sleep", "exit 0");
        fs::write(tree.state("version"), "7").unwrap();
        for (name, text) in given {
            fs::write(tree.state(name), text).unwrap();
        }
        let run = |verb: &str, more: &[&str]| {
            let words: Vec<&str> = [verb, "r2", "w1", "kubectl"]
                .into_iter()
                .chain(more.iter().copied())
                .collect();
            tree.run(&shell, &scripts::DRAIN, &words)
        };
        check(&run, &tree);
    }
}

fn look(run: &dyn Fn(&str, &[&str]) -> Output) -> CordonFacts {
    let output = run("look", &[]);
    cordon::parse_look(&output).unwrap_or_else(|e| panic!("{e}: {}", said(&output)))
}

#[track_caller]
fn ended(output: &Output, code: u32) {
    assert_eq!(output.status, ExitStatus::Code(code), "{}", said(output));
}

fn calls(tree: &Tree, what: &str) -> usize {
    let all = fs::read_to_string(tree.state("calls")).unwrap_or_default();
    all.lines().filter(|l| l.contains(what)).count()
}

#[test]
fn a_node_is_drained_under_our_mark_and_let_back() {
    each(&[], |run, tree| {
        let output = run("drain", &["30", "--force", "--grace-period=5"]);
        assert!(output.status.success(), "{}", said(&output));
        assert_eq!((cordon::left(&output), cordon::evicted(&output)), (Left::Ours, 1));
        assert_eq!(
            calls(
                tree,
                "drain w1 --ignore-daemonsets --timeout=30s --force --grace-period=5"
            ),
            1
        );
        let facts = look(run);
        assert!(cordon::judge_drained(&facts, &RunId::new("r2")).passed(), "{facts:?}");
        assert_eq!(cordon::left(&run("uncordon", &[])), Left::Lifted);
        assert!(cordon::judge_released(&look(run)).seen().contains("takes pods"));
        assert_eq!(cordon::left(&run("uncordon", &[])), Left::Open, "twice is harmless");
    });
}

#[test]
fn what_a_budget_keeps_is_named_and_the_node_is_let_back() {
    each(&[("budget", "")], |run, _| {
        let output = run("drain", &["30"]);
        ended(&output, 4);
        assert_eq!(cordon::left(&output), Left::Lifted);
        assert!(cordon::refusal(&output).contains("shop/web-1"), "{}", said(&output));
        let facts = look(run);
        assert!(!facts.cordoned && facts.by.is_none(), "{facts:?}");
    });
}

#[test]
fn a_cordon_of_somebody_else_is_never_undone() {
    each(&[("off", "true")], |run, _| {
        assert_eq!(cordon::left(&run("drain", &["30"])), Left::Theirs);
        assert_eq!(cordon::left(&run("uncordon", &[])), Left::Kept);
        let facts = look(run);
        assert!(
            facts.cordoned && facts.by.is_none() && facts.drained_by.is_none(),
            "{facts:?}"
        );
    });
    each(&[("off", "true"), ("budget", "")], |run, _| {
        assert_eq!(cordon::left(&run("drain", &["30"])), Left::Kept);
        assert!(look(run).cordoned);
    });
    // Somebody cordons between our look and our change.
    each(&[("conflicts", "1")], |run, _| {
        assert_eq!(cordon::left(&run("drain", &["30"])), Left::Theirs);
        assert_eq!(look(run).by, None);
    });
}

/// It is alive: a controller that died left its script at work, and another run has begun since.
#[test]
fn what_another_run_has_taken_over_is_its_own() {
    let takes_pods_no_more = |run: &dyn Fn(&str, &[&str]) -> Output| {
        let output = run("drain", &["30"]);
        ended(&output, 4);
        assert_eq!(cordon::left(&output), Left::Kept, "{}", said(&output));
        let facts = look(run);
        assert!(facts.cordoned, "{facts:?}");
        assert_eq!((facts.by.as_deref(), facts.drained_by), (Some("r9"), None));
        output
    };
    each(&[("thief", "r9"), ("budget", "")], |run, _| {
        takes_pods_no_more(run);
    });
    each(&[("thief", "r9")], |run, _| {
        let output = takes_pods_no_more(run);
        assert!(
            cordon::refusal(&output).contains("run r9 took node w1 over"),
            "{}",
            said(&output)
        );
    });
}

#[test]
fn what_a_person_does_meanwhile_is_seen_before_it_is_called_drained() {
    each(&[("opened", "")], |run, _| {
        let output = run("drain", &["30"]);
        ended(&output, 4);
        assert_eq!(cordon::left(&output), Left::Lifted);
        assert!(
            cordon::refusal(&output).contains("somebody uncordoned node w1"),
            "{}",
            said(&output)
        );
        let facts = look(run);
        assert!(
            !facts.cordoned && facts.by.is_none() && facts.drained_by.is_none(),
            "{facts:?}"
        );
    });
    each(&[("adopted", "")], |run, _| {
        assert_eq!(cordon::left(&run("drain", &["30"])), Left::Theirs);
        assert_eq!(cordon::left(&run("uncordon", &[])), Left::Kept);
        assert!(look(run).cordoned);
    });
    each(&[("off", "true"), ("opened", "")], |run, _| {
        assert_eq!(cordon::left(&run("drain", &["30"])), Left::Open);
    });
}

#[test]
fn a_node_that_is_not_ready_is_not_touched() {
    for ready in ["False", "Unknown"] {
        each(&[("ready", ready)], |run, tree| {
            let output = run("drain", &["30"]);
            ended(&output, 5);
            assert_eq!(cordon::left(&output), Left::Unready, "{}", said(&output));
            assert_eq!((calls(tree, "drain w1"), calls(tree, "patch")), (0, 0));
            assert!(!look(run).cordoned);
        });
    }
}

#[test]
fn marks_are_taken_away_and_a_cordon_stays_its_owners() {
    each(&[("by", "r1"), ("drained", "r1")], |run, _| {
        assert_eq!(cordon::left(&run("unmark", &[])), Left::Unmarked);
        let facts = look(run);
        assert!(!facts.cordoned && cordon::judge_released(&facts).passed(), "{facts:?}");
        assert_eq!(cordon::left(&run("unmark", &[])), Left::Open, "twice is harmless");
    });
    each(&[("off", "true"), ("by", "r1"), ("drained", "r1")], |run, _| {
        assert_eq!(cordon::left(&run("unmark", &[])), Left::Unmarked);
        assert!(look(run).cordoned, "somebody has cordoned it since");
        assert_eq!(cordon::left(&run("uncordon", &[])), Left::Kept);
    });
}

#[test]
fn the_mark_of_an_earlier_run_is_taken_over_and_our_own_is_found_again() {
    for earlier in ["r1", "r2"] {
        each(&[("off", "true"), ("by", earlier)], |run, _| {
            assert_eq!(cordon::left(&run("drain", &["30"])), Left::Ours);
            assert_eq!(look(run).by.as_deref(), Some("r2"));
            assert_eq!(cordon::left(&run("uncordon", &[])), Left::Lifted);
        });
    }
    // A mark without a cordon: somebody has uncordoned by hand.
    each(&[("by", "r1")], |run, _| {
        assert_eq!(cordon::left(&run("drain", &["30"])), Left::Ours);
        assert_eq!(cordon::left(&run("uncordon", &[])), Left::Lifted);
    });
}

#[test]
fn old_kubectl_knows_the_option_by_its_old_name() {
    each(&[], |run, tree| {
        run("drain", &["30", "--delete-emptydir-data", "--force"]);
        assert_eq!(calls(tree, "--timeout=30s --delete-local-data --force"), 1);
    });
    each(
        &[("help", "      --delete-emptydir-data=false: Continue\n")],
        |run, tree| {
            run("drain", &["30", "--delete-emptydir-data"]);
            assert_eq!(calls(tree, "--timeout=30s --delete-emptydir-data"), 1);
        },
    );
}

#[test]
fn an_api_that_stutters_is_asked_again_and_one_that_is_away_is_said() {
    each(&[("down", "3")], |run, _| {
        assert_eq!(cordon::left(&run("drain", &["30"])), Left::Ours);
    });
    each(&[("down", "99")], |run, tree| {
        let output = run("drain", &["30"]);
        ended(&output, 3);
        assert_eq!(cordon::left(&output), Left::Untouched, "{}", said(&output));
        assert_eq!(calls(tree, "drain w1"), 0);
        assert!(cordon::parse_look(&run("look", &[])).is_err());
    });
    each(&[("off", "true"), ("by", "r2"), ("down", "99")], |run, _| {
        let output = run("uncordon", &[]);
        assert_eq!(cordon::left(&output), Left::StillOurs, "{}", said(&output));
    });
}
