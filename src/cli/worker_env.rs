//! Which worker this process is, by what a scheduler says in its environment.

use super::UsageError;
use crate::manifest::WorkerId;

/// A scheduler that starts several workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkerEnv {
    /// A job array of Slurm.
    Slurm,
    /// An Indexed Job of Kubernetes.
    Kubernetes,
}

impl WorkerEnv {
    /// The share of this process. `count` is how many workers there are, as far as that was typed; `variable` looks into the
    /// environment.
    pub(super) fn share(
        self,
        count: Option<usize>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<WorkerId, UsageError> {
        let number = |name: &str| {
            let value = variable(name).ok_or_else(|| format!("{name} is not set"))?;
            value.trim().parse::<usize>().map_err(|_| format!("{name} is '{}', not a number", value.escape_debug()))
        };
        let share = match self {
            Self::Slurm => slurm(count, number),
            Self::Kubernetes => kubernetes(count, number),
        };
        share.map_err(UsageError)
    }
}

/// A job array counts from any number and in any even step: `--array=1-7:2` is four tasks. The step is not asked for, because
/// it is not told for `--array=1,3,5,7`.
///
/// Source: <https://slurm.schedmd.com/job_array.html>
fn slurm(count: Option<usize>, number: impl Fn(&str) -> Result<usize, String>) -> Result<WorkerId, String> {
    const NEXT: &str = "give --shard-index and --shard-count instead of --worker-env slurm";
    if count.is_some() {
        return Err(
            "--shard-count does not go with --worker-env slurm, which tells the number of tasks: leave it out".into()
        );
    }
    let of_array = |end: &str| {
        let outside = |reason| format!("{reason}: this is no task of a Slurm job array; {NEXT}");
        number(&format!("SLURM_ARRAY_TASK_{end}")).map_err(outside)
    };
    let (task, first, last, tasks) = (of_array("ID")?, of_array("MIN")?, of_array("MAX")?, of_array("COUNT")?);

    let steps = tasks.saturating_sub(1);
    let step = last.checked_sub(first).map(|range| range.checked_div(steps).unwrap_or(1).max(1));
    let step = step.filter(|step| step.checked_mul(steps) == last.checked_sub(first));
    let place = task.checked_sub(first).zip(step).filter(|(offset, step)| offset.is_multiple_of(*step));
    place.and_then(|(offset, step)| WorkerId::new(offset / step, tasks).ok()).ok_or_else(|| {
        format!("task {task} of {tasks} from {first} to {last}: this Slurm job array has no even step; {NEXT}")
    })
}

/// Kubernetes tells each pod its index, but not how many there are.
///
/// Source: <https://kubernetes.io/docs/tasks/job/indexed-parallel-processing-static/>
fn kubernetes(count: Option<usize>, number: impl Fn(&str) -> Result<usize, String>) -> Result<WorkerId, String> {
    let outside =
        |reason: String| format!("{reason}: this is no pod of a Kubernetes Indexed Job; give --shard-index instead");
    let index = number("JOB_COMPLETION_INDEX").map_err(outside)?;
    let count =
        count.ok_or("--worker-env kubernetes tells no number of workers: give --shard-count, the job's completions")?;
    WorkerId::new(index, count).map_err(|error| format!("{error}; --shard-count must be the job's completions"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(system: WorkerEnv, count: Option<usize>, variables: &[(&str, &str)]) -> Result<String, String> {
        let variable = |name: &str| Some(variables.iter().find(|(key, _)| *key == name)?.1.to_owned());
        system.share(count, variable).map(|share| share.to_string()).map_err(|error| error.to_string())
    }

    /// Of a job array: its variables ID, MIN, MAX and COUNT.
    fn slurm(values: [&str; 4]) -> Result<String, String> {
        let names = ["ID", "MIN", "MAX", "COUNT"].map(|end| format!("SLURM_ARRAY_TASK_{end}"));
        let variables: Vec<_> =
            names.iter().map(String::as_str).zip(values).filter(|(_, value)| *value != "-").collect();
        share(WorkerEnv::Slurm, None, &variables)
    }

    #[test]
    fn a_slurm_array_may_begin_anywhere_and_have_a_step() {
        for (values, told) in [
            (["0", "0", "3", "4"], "worker 0 of 4"),
            (["4", "1", "4", "4"], "worker 3 of 4"),
            (["5", "1", "7", "4"], "worker 2 of 4"), // --array=1-7:2
            (["30", "10", "30", "3"], "worker 2 of 3"),
            (["6", "6", "6", "1"], "worker 0 of 1"),
        ] {
            assert_eq!(slurm(values).as_deref(), Ok(told), "{values:?}");
        }
    }

    #[test]
    fn a_slurm_array_that_tells_no_place_is_refused_with_what_to_do() {
        for (values, told) in [
            (["-", "0", "3", "4"], "SLURM_ARRAY_TASK_ID is not set"),
            (["1", "0", "3", "-"], "SLURM_ARRAY_TASK_COUNT is not set"),
            (["x", "0", "3", "4"], "SLURM_ARRAY_TASK_ID is 'x', not a number"),
            (["1", "0", "9", "4"], "no even step"),   // --array=0,1,2,9
            (["20", "1", "20", "5"], "no even step"), // --array=1-7:2,20
            (["0", "1", "4", "4"], "no even step"),
            (["5", "1", "4", "4"], "no even step"),
            (["4", "4", "1", "4"], "no even step"),
            (["1", "1", "4", "0"], "no even step"),
            (["1", "1", "4", "1"], "no even step"),
        ] {
            let outcome = slurm(values).unwrap_or_else(|error| error);
            assert!(outcome.contains(told), "{values:?}: {outcome}");
        }
        let error = share(WorkerEnv::Slurm, Some(3), &[]).expect_err("it is told twice");
        assert!(error.contains("--shard-count does not go with --worker-env slurm"), "{error}");
    }

    #[test]
    fn a_kubernetes_job_tells_the_index_and_wants_the_count() {
        let index = [("JOB_COMPLETION_INDEX", "2")];

        assert_eq!(share(WorkerEnv::Kubernetes, Some(3), &index).as_deref(), Ok("worker 2 of 3"));
        for (count, variables, told) in [
            (None, &index[..], "give --shard-count"),
            (Some(2), &index[..], "there is no worker 2 of 2"),
            (Some(3), &[], "JOB_COMPLETION_INDEX is not set"),
        ] {
            let error = share(WorkerEnv::Kubernetes, count, variables).expect_err(told);
            assert!(error.contains(told), "{error}");
        }
    }
}
