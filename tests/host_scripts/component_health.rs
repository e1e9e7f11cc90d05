//! certfleet:component-health with curl and openssl as stubs.

use certfleet::model::scripts;
use certfleet::probes::component_health::{self, Answer, ComponentHealth};

use crate::tree::{Tree, said, shells};

const MANAGER: &str = "/etc/kubernetes/manifests/kube-controller-manager.yaml";
const SCHEDULER: &str = "/etc/kubernetes/manifests/kube-scheduler.yaml";

/// Both components with these flags, one a line.
fn host(flags: &[&str]) -> Tree {
    let tree = Tree::new();
    let lines: String = flags.iter().map(|f| format!("    - {f}\n")).collect();
    tree.write(MANAGER, format!("    - kube-controller-manager\n{lines}"));
    tree.write(SCHEDULER, "    - kube-scheduler\n    - --bind-address=127.0.0.1\n");
    tree
}

fn ask(tree: &Tree) -> Vec<ComponentHealth> {
    ask_in(tree, str::to_owned)
}

fn ask_in(tree: &Tree, path: impl Fn(&str) -> String) -> Vec<ComponentHealth> {
    let bin = tree.state("bin");
    let path = path(&format!("{}:/usr/bin:/bin", bin.display()));
    let mut all: Vec<Vec<ComponentHealth>> = Vec::new();
    for shell in shells() {
        let output = tree.run_with_path(&shell, &scripts::COMPONENT_HEALTH, &[], &path);
        all.push(component_health::parse(&output).unwrap_or_else(|e| panic!("{e}: {}", said(&output))));
    }
    assert!(all.windows(2).all(|w| w[0] == w[1]), "shells disagree: {all:?}");
    all.pop().unwrap()
}

/// Answers `ok` for every URL but those that it is told.
const CURL: &str = r#"for url; do :; done
echo "$url" >>"$STATE/asked"
case $url in
https://127.0.0.1:10259/healthz) printf 'ok\n200' ;;
*:10257/*) printf '[-]leaderElection failed: reason withheld\nhealthz check failed\n\n500' ;;
http://127.0.0.1:10252/healthz) printf 'ok\n200' ;;
https://*:11257/healthz) printf 'forbidden\n403' ;;
*) printf 'curl: (7) Failed to connect\n000' >&2; exit 7 ;;
esac"#;

fn answers(flags: &[&str]) -> (Answer, Answer) {
    let tree = host(flags);
    tree.stub("curl", CURL);
    let found = ask(&tree);
    assert_eq!(found[0].component, "kube-controller-manager");
    assert_eq!(found[1].component, "kube-scheduler");
    (found[0].answer.clone(), found[1].answer.clone())
}

#[test]
fn each_is_asked_where_its_manifest_says() {
    let well = |url: &str| Answer::Well(url.to_owned());
    let (manager, scheduler) = answers(&["--bind-address=127.0.0.1"]);
    assert_eq!(scheduler, well("https://127.0.0.1:10259/healthz"));
    assert!(
        matches!(&manager, Answer::Ill(why) if why.contains("500") && why.contains("leaderElection")),
        "{manager:?}"
    );
    // Bound to every address: loopback is among them. Who does not tell everybody is not proven ill.
    let (manager, _) = answers(&[
        "--secure-port=12257",
        "--bind-address=0.0.0.0",
        "--secure-port=11257",
        "v=2\n    # - --secure-port=12257",
    ]);
    assert!(matches!(&manager, Answer::Unknown(why) if why.contains("https://127.0.0.1:11257/healthz answers 403")));
    let (manager, _) = answers(&["--bind-address=10.0.0.1", "--secure-port=12257"]);
    assert!(
        matches!(&manager, Answer::Ill(why) if why.contains("https://10.0.0.1:12257/healthz") && why.contains("(7)"))
    );
    let (manager, _) = answers(&["--secure-port=0"]);
    assert_eq!(manager, well("http://127.0.0.1:10252/healthz"));
    let (manager, _) = answers(&["--secure-port=0", "--port=0"]);
    assert!(
        matches!(&manager, Answer::Unknown(why) if why.contains("no port")),
        "{manager:?}"
    );
}

/// YAML needs quotes around a scalar that ends in `:`, and an editor of another system ends lines with CR LF.
#[test]
fn what_yaml_puts_around_a_flag_is_none_of_it() {
    for flags in [
        ["'--bind-address=::'", "--secure-port=11257"],
        ["\"--bind-address=::\"", "\"--secure-port=11257\""],
        ["--bind-address=0.0.0.0\r", "--secure-port=11257\r"],
        ["--secure-port=11257", "{ x: '--bind-address=::', y: 1 }"],
    ] {
        let (manager, _) = answers(&flags);
        assert!(
            matches!(&manager, Answer::Unknown(why) if why.contains("https://127.0.0.1:11257/healthz answers 403")),
            "{flags:?}: {manager:?}"
        );
    }
    let (manager, _) = answers(&["--bind-address=127.0.0.1", "--secure-port=11257"]);
    let commented = answers(&[
        "--secure-port=11257\n    # - --bind-address=10.0.0.9",
        "--bind-address=127.0.0.1",
    ]);
    assert_eq!(commented.0, manager);
}

#[test]
fn an_address_in_brackets_is_no_pattern_and_what_curl_cannot_ask_is_no_answer() {
    let tree = host(&["--bind-address=::1"]);
    tree.stub(
        "curl",
        r#"for word; do [ "$word" != --globoff ] || literal=yes; url=$word; done
case $url in *'['*) ;; *) printf 'ok\n200'; exit 0 ;; esac
if [ "${literal:-no}" = no ]; then echo 'curl: (3) [globbing] bad range' >&2; exit 3; fi
printf 'ok\n200'"#,
    );
    assert_eq!(
        ask(&tree)[0].answer,
        Answer::Well("https://[::1]:10257/healthz".to_owned())
    );
    for trouble in [
        "OpenSSL SSL_connect: SSL_ERROR_SYSCALL",
        "Recv failure: Connection reset by peer",
        "wrong version number",
    ] {
        tree.stub("curl", &format!("echo 'curl: (35) {trouble}' >&2; exit 35"));
        let found = ask(&tree);
        assert!(
            matches!(&found[0].answer, Answer::Ill(why) if why.contains(trouble)),
            "{found:?}"
        );
    }
    for (code, proven) in [
        (1, false),
        (2, false),
        (3, false),
        (4, false),
        (35, false),
        (7, true),
        (28, true),
    ] {
        tree.stub("curl", &format!("echo 'curl: ({code}) so it is' >&2; exit {code}"));
        let found = ask(&tree);
        assert_eq!(matches!(found[0].answer, Answer::Ill(_)), proven, "{code}: {found:?}");
        assert_eq!(
            matches!(found[0].answer, Answer::Unknown(_)),
            !proven,
            "{code}: {found:?}"
        );
    }
}

/// Programs that the script needs, and no others: the machine's own curl and openssl are not among them.
fn bare(tree: &Tree) -> impl Fn(&str) -> String {
    let folder = tree.state("few");
    std::fs::create_dir_all(&folder).unwrap();
    for program in [
        "sh", "bash", "dash", "busybox", "sed", "head", "tr", "cut", "grep", "cat", "mktemp", "sleep", "rm",
    ] {
        for from in ["/usr/bin", "/bin"] {
            let source = std::path::Path::new(from).join(program);
            if source.exists() {
                let _ = std::os::unix::fs::symlink(source, folder.join(program));
            }
        }
    }
    let path = format!("{}:{}", tree.state("bin").display(), folder.display());
    move |_| path.clone()
}

#[test]
fn without_curl_openssl_asks_and_without_both_nothing_is_proven() {
    let tree = host(&["--secure-port=0"]);
    let few = bare(&tree);
    let found = ask_in(&tree, &few);
    assert!(matches!(&found[1].answer, Answer::Unknown(why) if why.contains("neither curl nor openssl")));

    tree.stub(
        "openssl",
        r#"case "$*" in *'-connect 127.0.0.1:10259'*) ;; *) exit 1 ;; esac
read -r request
case $request in 'GET /healthz HTTP/1.0'*) printf 'HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nok' ;; esac"#,
    );
    let found = ask_in(&tree, &few);
    assert_eq!(
        found[1].answer,
        Answer::Well("https://127.0.0.1:10259/healthz".to_owned())
    );
    assert!(
        matches!(&found[0].answer, Answer::Unknown(why) if why.contains("http://")),
        "what is not TLS is not asked by openssl: {found:?}"
    );

    tree.stub("openssl", "exit 1");
    let found = ask_in(&tree, &few);
    assert!(
        matches!(&found[1].answer, Answer::Ill(why) if why.contains("no answer")),
        "{found:?}"
    );
}

#[test]
fn a_host_without_control_plane_says_nothing() {
    let tree = Tree::new();
    tree.stub("curl", "exit 0");
    assert_eq!(ask(&tree), []);
}
