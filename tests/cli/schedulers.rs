//! Workers whose number comes from a scheduler, or makes no worker.

use super::places::repository;
use super::plans::{plan, worker};
use super::resume::tree;
use super::workers::{SHARDS, finalize, of_one_run};
use super::{Run, convert_photos, names, program, temporary};

#[test]
fn a_scheduler_says_which_worker_it_is() {
    let out = temporary();
    let run = |options: &[&str], variables: &[(&str, &str)]| {
        let mut command = program();
        command.args(["convert", "--model=efficientnet-lite0", "examples/photos"]).arg(out.path()).args(SHARDS);
        Run::of(command.args(options).envs(variables.iter().copied()).current_dir(repository("")))
    };
    let slurm = |task| {
        ["ID", "MIN", "MAX", "COUNT"]
            .map(|end| format!("SLURM_ARRAY_TASK_{end}"))
            .into_iter()
            .zip([task, "1", "3", "2"])
    };

    let slurm: Vec<_> = slurm("3").collect();
    let variables: Vec<_> = slurm.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let of_slurm = run(&["--worker-env=slurm"], &variables).ok();
    let of_kubernetes = run(&["--worker-env=kubernetes", "--shard-count=2"], &[("JOB_COMPLETION_INDEX", "0")]).ok();
    assert!(of_slurm.stdout.contains("worker 1 of 2;") && of_kubernetes.stdout.contains("worker 0 of 2;"));
    run(&["--worker-env=slurm"], &[]).refused(2, &["SLURM_ARRAY_TASK_ID is not set"]);
    run(&["--worker-env=kubernetes"], &[("JOB_COMPLETION_INDEX", "0")]).refused(2, &["give --shard-count"]);

    finalize(out.path()).ok();
    assert!(tree(out.path()) == of_one_run(SHARDS));
}

#[test]
fn what_makes_no_worker_is_refused() {
    let out = temporary();
    let usage = |more: &[&str], words: &str| {
        let run = convert_photos(out.path(), more);
        assert!(run.code == Some(2) && run.stderr.contains(words), "{more:?}: {}", run.stderr);
    };

    usage(&["--shard-index=0"], "--shard-count <N>");
    usage(&["--shard-count=2"], "--shard-index <I>");
    usage(&["--shard-index=2", "--shard-count=2"], "there is no worker 2 of 2: they are counted from 0");
    usage(&["--shard-index=0", "--shard-count=2", "--worker-env=slurm"], "cannot be used with");
    usage(&["--shard-index=0", "--shard-count=2", "--restart"], "cannot be used with");
    usage(&["--shard-index=0", "--shard-count=2", "--report=r.json"], "cannot be used with");
    assert_eq!(names(out.path()), [""; 0]);
}

#[test]
fn a_scheduler_says_which_planned_worker_it_is() {
    let out = temporary();
    plan(out.path(), SHARDS).ok();
    let run = |index: &str| {
        let typed = ["--worker-env=kubernetes", "--shard-count=2"];
        Run::of(program().args(["convert", "--plan"]).arg(out.path()).args(typed).env("JOB_COMPLETION_INDEX", index))
    };

    assert!(run("1").ok().stdout.contains("share     worker 1 of 2;"));
    run("2").refused(2, &["there is no worker 2 of 2"]);
    worker(out.path(), 0, 3).refused(1, &["shared by 2 workers", "worker 0 of 3 is none of them"]);
}
