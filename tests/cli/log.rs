//! What petrec tells of its work in detail, and that nobody hears of it who did not ask.

use super::{Run, convert_photos, petrec, program, temporary};

/// The lines of the log among those on standard error.
fn logged(run: &Run) -> Vec<&str> {
    let levels = [" INFO ", "DEBUG ", "TRACE ", " WARN ", "ERROR "];
    run.stderr.lines().filter(|line| levels.iter().any(|level| line.contains(level))).collect()
}

/// `validate` of the example photos with the variable set.
fn validate_with(variable: &str) -> Run {
    Run::of(program().args(["validate", "examples/photos"]).env("PETREC_LOG", variable))
}

#[test]
fn each_v_tells_more_and_nothing_comes_between_the_json() {
    let told = ["--progress=auto", "-v", "-vv", "--verbose"].map(|option| {
        let out = temporary();
        let run = convert_photos(out.path(), &["--json", "--shards", "3", option]).ok();
        serde_json::from_str::<serde_json::Value>(&run.stdout).expect("JSON and nothing else");
        run
    });
    let [silent, brief, detailed, long] = told;

    assert_eq!(logged(&silent), [""; 0]);
    for words in ["listed the data set", "read weights", "opened the engine", "planned the record files", "images=15"] {
        assert!(brief.stderr.contains(words), "{words}: {}", brief.stderr);
    }
    let on_disk = |run: &Run| logged(run).iter().filter(|line| line.contains("a record file is on disk")).count();
    let images = |run: &Run| logged(run).iter().filter(|line| line.contains(" path=examples")).count();
    assert_eq!([&brief, &detailed].map(on_disk), [3, 3]);
    assert!(images(&brief) == 0 && images(&detailed) >= 15, "{}", detailed.stderr);
    assert_eq!(logged(&long).len(), logged(&brief).len());
}

#[test]
fn the_variable_says_what_is_told_of_which_part() {
    let decoded = |run: Run| logged(&run.ok()).iter().filter(|line| line.contains("petrec::image")).count();

    assert_eq!(decoded(validate_with("petrec::image=debug")), 15);
    for nothing in ["", "info", "petrec=debug,petrec::image=off"] {
        assert_eq!(decoded(validate_with(nothing)), 0, "{nothing}");
    }
}

#[test]
fn what_is_no_filter_is_refused_and_so_is_loud_and_quiet_at_once() {
    validate_with("petrec=loud").refused(2, &["PETREC_LOG: 'petrec=loud' is no filter", "petrec=debug"]);

    let both = petrec(["validate", "examples/photos", "-v", "-q"]);
    assert_eq!(both.code, Some(2), "{}", both.stderr);
}

/// `script` runs a program on a terminal of its own.
#[cfg(target_os = "linux")]
#[test]
fn on_a_terminal_the_log_is_coloured_unless_no_color_is_set_and_stands_above_the_bar() {
    use std::process::Command;

    if Command::new("script").arg("--version").output().is_err() {
        eprintln!("skipped: there is no script here");
        return;
    }
    let on_a_terminal = |no_color: &str| {
        let petrec = format!("{} -vv validate examples/photos", env!("CARGO_BIN_EXE_petrec"));
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", &petrec, "/dev/null"]);
        script.env_remove("PETREC_LOG").env("TERM", "xterm").env("NO_COLOR", no_color);
        Run::of(script.current_dir(super::places::repository(""))).ok().stdout
    };
    let (plain, coloured) = (on_a_terminal("1"), on_a_terminal(""));

    assert!(!plain.contains("\u{1b}[32m") && plain.contains(" INFO petrec"), "{plain}");
    assert!(coloured.contains("\u{1b}[32m INFO"), "{coloured}");
    assert!(plain.contains("/15 images"), "{plain}");
    for line in plain.lines().filter(|line| line.contains("DEBUG")) {
        let on_a_cleared_line = line.rsplit("\u{1b}[2K").next().unwrap_or_default();
        assert!(!on_a_cleared_line.contains("/15 images"), "a line of the log within the bar: {line}");
    }
}
