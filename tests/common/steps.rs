//! Death at every step: `PETREC_CRASH_AT` ends petrec before its nth step that changes what is written.

use std::process::{Command, Stdio};

/// What a program does about which a test wants to know that it may die.
pub(crate) struct Steps<'a> {
    /// What it is called.
    pub(crate) what: &'a str,
    /// Fewer steps than this mean that the crash points are gone.
    pub(crate) least: u32,
    /// What is there when it begins.
    pub(crate) before: &'a dyn Fn(),
    pub(crate) dies: &'a dyn Fn() -> Command,
    /// What comes after it died at this step, and how that is called: it has to come to a good end.
    pub(crate) after: &'a dyn Fn(u32, &str),
}

impl Steps<'_> {
    /// Has it die at each of its steps, until it comes through.
    pub(crate) fn die_at_each(&self) {
        let mut step = 1;
        loop {
            (self.before)();
            if !die_at((self.dies)(), step) {
                break;
            }
            (self.after)(step, &format!("{} after step {step}", self.what));
            step += 1;
        }
        eprintln!("{}: died at each of {} steps", self.what, step - 1);
        assert!(step > self.least, "{}: {} steps are too few", self.what, step - 1);
    }
}

/// Runs until the given step and dies there; `false` where there are fewer steps.
fn die_at(mut command: Command, step: u32) -> bool {
    let status = command.env("PETREC_CRASH_AT", step.to_string()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    !status.expect("petrec starts").success()
}
