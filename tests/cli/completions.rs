//! `petrec completions`.

use super::petrec;

#[test]
fn every_shell_gets_completions_that_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = petrec(["completions", shell]).ok().stdout;

        for word in ["petrec", "validate", "convert", "dry-run"] {
            assert!(script.contains(word), "{shell}: no {word}");
        }
    }
    assert_eq!(petrec(["completions", "tcsh"]).code, Some(2));
}

/// A shell takes the script as one of its own.
#[cfg(target_os = "linux")]
#[test]
fn bash_completes_a_command_by_it() {
    let script = petrec(["completions", "bash"]).ok().stdout;
    let folder = super::temporary();
    let path = folder.path().join("petrec.bash");
    std::fs::write(&path, script).expect("written");
    let ask =
        "source \"$0\"; COMP_WORDS=(petrec conv); COMP_CWORD=1; _petrec petrec conv petrec; echo \"${COMPREPLY[*]}\"";

    let Ok(answer) = std::process::Command::new("bash").args(["-c", ask]).arg(path).output() else {
        eprintln!("skipped: there is no bash here");
        return;
    };

    assert_eq!(String::from_utf8_lossy(&answer.stdout).trim(), "convert");
}
