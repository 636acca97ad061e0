//! What may be written and removed in OUT, and by whom: one process at a time, files that petrec made, nothing through a link.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::plans::{PLAN, plan};
use super::resume::{JOURNAL, killed_conversion, tree};
use super::workers::{PER_IMAGE, SHARDS, finalize, of_one_run};
use super::{Run, convert_photos, json, names, petrec, program, temporary};
use crate::places::repository;

#[test]
fn an_empty_path_is_refused_and_nothing_is_written() {
    let folder = temporary();
    let photos = repository("examples/photos");
    let photos = photos.to_str().expect("UTF-8");
    for (name, content) in [("report.html", "my own page"), ("petrec-report.json", "{\"mine\":1}"), ("thesis.txt", "x")]
    {
        fs::write(folder.path().join(name), content).expect("written");
    }
    let before = tree(folder.path());
    let commands: [&[&str]; 20] = [
        &["convert", photos, ""],
        &["convert", "", "out"],
        &["convert", ".", ""],
        &["convert", "--plan", ""],
        &["convert", photos, "out", "--report", ""],
        &["convert", photos, "out", "--weights", ""],
        &["convert", photos, "", "--restart"],
        &["convert", photos, "", "--dry-run"],
        &["convert", photos, "", "--shard-index=0", "--shard-count=2"],
        &["plan", photos, ""],
        &["plan", "", "out"],
        &["finalize", ""],
        &["report", ""],
        &["report", "out", "--html", ""],
        &["probe", ""],
        &["inspect", ""],
        &["verify", ""],
        &["verify", "out", "--salvage", ""],
        &["validate", ""],
        &["validate", photos, "--quarantine", ""],
    ];
    for typed in commands {
        let run = Run::of(program().args(typed).current_dir(folder.path()));

        assert_eq!(run.code, Some(2), "{typed:?}: {}", run.stderr);
        assert!(tree(folder.path()) == before, "{typed:?}: {:?}", names(folder.path()));
    }
    let run = Run::of(program().args(["convert", photos, ""]).current_dir(folder.path()));
    assert!(run.stderr.contains("the path is empty"), "{}", run.stderr);
}

#[test]
fn a_report_or_a_page_that_petrec_did_not_make_is_never_replaced() {
    let mine = [("report.html", "<html>my own page</html>"), ("petrec-report.json", "{\"mine\":1}")];
    for (name, content) in mine {
        let (unfinished, finished) = (temporary(), temporary());
        killed_conversion(Path::new("examples/photos"), unfinished.path(), SHARDS, 25);
        convert_photos(finished.path(), SHARDS).ok();
        for out in [&unfinished, &finished] {
            fs::write(out.path().join(name), content).expect("written");
        }

        let refused = |run: Run| run.refused(1, &[name, "petrec did not make this file", "move it away"]);
        refused(convert_photos(unfinished.path(), SHARDS));
        refused(convert_photos(unfinished.path(), &[SHARDS, &["--restart"]].concat()));
        refused(convert_photos(finished.path(), &[SHARDS, &["--restart"]].concat()));
        refused(plan(finished.path(), &[SHARDS, &["--restart"]].concat()));
        if name == "report.html" {
            refused(petrec(["report".as_ref(), finished.path().as_os_str()]));
        }

        for out in [&unfinished, &finished] {
            assert_eq!(fs::read_to_string(out.path().join(name)).expect("there"), content);
        }
        fs::remove_file(unfinished.path().join(name)).expect("removed");
        convert_photos(unfinished.path(), SHARDS).ok();
        assert!(tree(unfinished.path()) == of_one_run(SHARDS));
    }
}

#[test]
fn restart_takes_a_folder_whose_conversion_was_killed_before_its_first_record() {
    let whole = of_one_run(SHARDS);
    for steps in 1..=26 {
        let out = temporary();
        let folder = out.path().join("records");
        killed_conversion(Path::new("examples/photos"), &folder, PER_IMAGE, steps);

        convert_photos(&folder, &[SHARDS, &["--restart"]].concat()).ok();

        assert!(tree(&folder) == whole, "{steps}: {:?}", names(&folder));
        assert!(!folder.join("Cat").exists() && !folder.join("Coffee").exists(), "{steps}");
    }
}

#[test]
fn a_restart_that_is_killed_at_any_step_can_be_begun_again() {
    let (finished, whole) = (of_one_run(PER_IMAGE), of_one_run(SHARDS));
    for steps in (1..=60).step_by(3) {
        let out = temporary();
        for (name, bytes) in &finished {
            let path = out.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, bytes).expect("written");
        }
        killed_conversion(Path::new("examples/photos"), out.path(), &[PER_IMAGE, &["--restart"]].concat(), steps);

        convert_photos(out.path(), &[SHARDS, &["--restart"]].concat()).ok();

        assert!(tree(out.path()) == whole, "{steps}: {:?}", names(out.path()));
    }
}

#[test]
fn of_a_plan_and_a_conversion_at_the_same_moment_one_is_refused_and_nothing_is_lost() {
    for round in 0..12 {
        let out = temporary();
        let folder = out.path().join("records");
        let (planned, converted) = std::thread::scope(|scope| {
            let planned = scope.spawn(|| plan(&folder, &["--pool=avg", "--shards=3", "--shuffle"]));
            let converted = scope.spawn(|| convert_photos(&folder, SHARDS));
            (planned.join().expect("no panic"), converted.join().expect("no panic"))
        });

        let wins = [planned.code, converted.code].into_iter().filter(|code| *code == Some(0)).count();
        assert_eq!(wins, 1, "{round}: {} {}", planned.stderr, converted.stderr);
        if converted.code == Some(0) {
            finalize(&folder).ok();
            assert!(tree(&folder) == of_one_run(SHARDS), "{round}: {:?}", names(&folder));
        } else {
            assert_eq!(names(&folder), [PLAN], "{round}");
        }
    }
}

#[test]
fn whoever_comes_at_the_same_time_no_finished_conversion_lies_among_the_files_of_another() {
    let commands: [&[&str]; 4] = [
        &["--pool=avg", "--shards=2"],
        &["--pool=avg", "--shards=3", "--restart"],
        &["--pool=avg", "--layout=per-image", "--restart"],
        &["--pool=avg", "--shards=2"],
    ];
    for round in 0..6 {
        let out = temporary();
        std::thread::scope(|scope| {
            for options in commands {
                scope.spawn(|| convert_photos(out.path(), options));
            }
        });

        let manifest = json(&out.path().join("petrec-manifest.json"));
        let listed = manifest["files"].as_array().expect("a list").iter().map(|file| file["path"].as_str());
        let mut listed: Vec<PathBuf> = listed.map(|path| path.expect("a path").split('/').collect()).collect();
        listed.sort();
        let there = tree(out.path()).into_keys().filter(|name| name.extension() == Some("tfrecord".as_ref()));
        assert_eq!(there.collect::<Vec<_>>(), listed, "{round}");
        petrec(["verify".as_ref(), out.path().as_os_str()]).ok();
        assert!(names(out.path()).iter().all(|name| !name.starts_with('.')), "{:?}", names(out.path()));
    }
}

#[test]
fn a_plan_waits_for_nobody_and_is_refused_beside_a_conversion_at_work() {
    let out = temporary();
    #[cfg(unix)]
    {
        use super::signals::{send, stopped};
        let mut at_work = stopped(out.path(), &["--threads=1"], JOURNAL);
        let in_use = ["another petrec is converting into this folder"];
        plan(out.path(), SHARDS).refused(1, &in_use);
        plan(out.path(), &[SHARDS, &["--restart"]].concat()).refused(1, &in_use);
        convert_photos(out.path(), &[SHARDS, &["--restart"]].concat()).refused(1, &in_use);
        finalize(out.path()).refused(1, &in_use);
        send(&at_work, "-9");
        at_work.wait().expect("it ends");
    }
    convert_photos(out.path(), &[SHARDS, &["--restart"]].concat()).ok();
    assert!(tree(out.path()) == of_one_run(SHARDS));
}

#[test]
fn a_file_that_is_not_ours_by_its_content_is_kept_whatever_its_name() {
    let worker = [SHARDS, &["--shard-index=0", "--shard-count=2"]].concat();
    let restart = [SHARDS, &["--restart"]].concat();
    for name in [JOURNAL, PLAN, ".petrec-journal-0-of-2", ".petrec-lock", "petrec-manifest.json"] {
        for content in ["mine\n", "{\"mine\": [1, 2, 3]}\n", &"a long letter. ".repeat(500)] {
            let out = temporary();
            fs::write(out.path().join(name), content).expect("written");

            for run in [
                convert_photos(out.path(), SHARDS),
                convert_photos(out.path(), &restart),
                convert_photos(out.path(), &worker),
                plan(out.path(), SHARDS),
                plan(out.path(), &restart),
                finalize(out.path()),
            ] {
                assert!(run.code != Some(0), "{name}: {}", run.stderr);
                assert_eq!(run.stderr.lines().filter(|line| !line.contains("E_")).count(), 1, "{}", run.stderr);
                assert_eq!(names(out.path()), [name]);
                assert_eq!(fs::read_to_string(out.path().join(name)).expect("there"), content, "{name}");
            }
        }
    }
}

#[cfg(unix)]
mod links {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder of somebody's, with what is in it.
    fn victim() -> (tempfile::TempDir, BTreeMap<PathBuf, Vec<u8>>) {
        let victim = temporary();
        for name in ["a.txt", "a.tfrecord", ".petrec-x.partial"] {
            fs::write(victim.path().join(name), "precious").expect("written");
        }
        let before = tree(victim.path());
        (victim, before)
    }

    #[test]
    fn a_link_by_the_name_of_a_file_of_ours_is_never_written_through() {
        let restart = [SHARDS, &["--restart"]].concat();
        let worker = [SHARDS, &["--shard-index=0", "--shard-count=2"]].concat();
        for name in [JOURNAL, PLAN, ".petrec-journal-0-of-2", ".petrec-lock"] {
            for target in ["a.txt", "nowhere"] {
                let (out, (victim, before)) = (temporary(), victim());
                symlink(victim.path().join(target), out.path().join(name)).expect("made");

                for run in [
                    convert_photos(out.path(), SHARDS),
                    convert_photos(out.path(), &restart),
                    convert_photos(out.path(), &worker),
                    plan(out.path(), SHARDS),
                    plan(out.path(), &restart),
                    finalize(out.path()),
                ] {
                    assert!(run.code != Some(0), "{name}: {}{}", run.stdout, run.stderr);
                    assert!(tree(victim.path()) == before, "{name}: {:?}", names(victim.path()));
                }
            }
        }
    }

    #[test]
    fn a_manifest_that_names_files_behind_a_link_or_of_others_removes_none() {
        for named in ["link/a.txt", "link/a.tfrecord", "../a.tfrecord", "/a.tfrecord", "thesis.txt", "own/thesis.txt"] {
            let (out, (victim, before)) = (temporary(), victim());
            convert_photos(out.path(), SHARDS).ok();
            symlink(victim.path(), out.path().join("link")).expect("made");
            fs::create_dir(out.path().join("own")).expect("made");
            fs::write(out.path().join("thesis.txt"), "years").expect("written");
            fs::write(out.path().join("own/thesis.txt"), "years").expect("written");
            let path = out.path().join("petrec-manifest.json");
            let mut manifest = json(&path);
            let mut file = manifest["files"][0].clone();
            file["path"] = named.into();
            manifest["files"].as_array_mut().expect("a list").push(file);
            fs::write(&path, serde_json::to_vec_pretty(&manifest).expect("JSON")).expect("written");
            let ours = tree(out.path());

            for run in [
                convert_photos(out.path(), &[SHARDS, &["--restart"]].concat()),
                plan(out.path(), &[SHARDS, &["--restart"]].concat()),
            ] {
                assert_eq!(run.code, Some(1), "{named}: {}", run.stderr);
                assert!(tree(victim.path()) == before && tree(out.path()) == ours, "{named}");
            }
        }
    }

    #[test]
    fn records_are_never_written_through_a_class_folder_that_is_a_link() {
        let (out, (victim, before)) = (temporary(), victim());
        convert_photos(out.path(), PER_IMAGE).ok();
        fs::remove_dir_all(out.path().join("Cat")).expect("removed");
        symlink(victim.path(), out.path().join("Cat")).expect("made");

        for more in [&[][..], &["--restart"]] {
            let run = convert_photos(out.path(), &[PER_IMAGE, more].concat());
            run.refused(1, &["Cat: is a link"]);
        }
        assert!(tree(victim.path()) == before);

        fs::remove_file(out.path().join("Cat")).expect("a link");
        convert_photos(out.path(), PER_IMAGE).ok();
        assert!(tree(out.path()) == of_one_run(PER_IMAGE));
    }

    #[test]
    fn the_folder_itself_may_be_a_link() {
        let (folder, out) = (temporary(), temporary());
        let link = folder.path().join("link");
        symlink(out.path(), &link).expect("made");

        convert_photos(&link, SHARDS).ok();

        assert!(tree(out.path()) == of_one_run(SHARDS));
    }
}
