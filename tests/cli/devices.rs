//! `petrec devices`, and `--backend wgpu` on the device that there is.

use super::{Run, convert_photos, names, program, temporary};

/// Runs petrec where no graphics API has a device, if `variable` can do that.
fn without_devices(args: &[&str]) -> Run {
    Run::of(program().env("VK_DRIVER_FILES", "/dev/null").env_remove("PETREC_BACKEND").args(args))
}

#[test]
fn the_processor_is_listed_with_its_instructions() {
    let list: serde_json::Value = serde_json::from_str(&without_devices(&["devices", "--json"]).stdout).expect("JSON");

    assert!(list["processor"]["cores"].as_u64().is_some_and(|cores| cores > 0), "{list}");
    assert!(cfg!(not(feature = "cpu")) || list["processor"]["isa"].is_string(), "{list}");
}

#[test]
fn what_is_for_gpus_does_not_go_with_an_engine_that_uses_none() {
    let out = temporary();

    for (option, value) in [("--device", "0"), ("--batch", "8"), ("--precision", "f16")] {
        let run = convert_photos(out.path(), &["--backend", "cpu", option, value]);
        run.refused(2, &[option, "is for GPUs", "--backend cpu"]);
    }

    assert_eq!(names(out.path()), [""; 0]);
}

#[cfg(not(feature = "wgpu"))]
#[test]
fn an_engine_that_is_not_built_in_names_the_way_to_it() {
    let out = temporary();

    convert_photos(out.path(), &["--backend", "wgpu"]).refused(1, &["without the engine 'wgpu'", "--features wgpu"]);
}

/// Where the system has other graphics APIs, Vulkan's variable hides nothing.
#[cfg(all(feature = "wgpu", target_os = "linux"))]
mod nothing_there {
    use super::*;

    #[test]
    fn without_a_device_wgpu_is_refused_with_the_ways_on_and_auto_takes_the_processor() {
        let out = temporary();
        let path = out.path().to_str().expect("UTF-8");
        let args = ["convert", "--quiet", "--model", "efficientnet-lite0", "examples/photos", path];

        let wgpu = without_devices(&[&args[..], &["--backend", "wgpu"]].concat());
        wgpu.refused(1, &["no GPU was found: Vulkan shows none", "driver", "--backend cpu"]);
        without_devices(&[&args[..], &["--device", "nvidia"]].concat()).refused(1, &["no device 'nvidia' was found"]);
        without_devices(&[&args[..], &["--precision", "f16"]].concat()).refused(1, &["no GPU was found"]);
        assert_eq!(names(out.path()), [""; 0]);
        let auto = without_devices(&args).ok();

        assert!(auto.stdout.contains("engine    cpu ("), "{}", auto.stdout);
        let list = without_devices(&["devices"]).ok();
        assert!(list.stdout.contains("taken by --backend auto") && list.stdout.contains("no GPU was found"));
    }
}

#[cfg(feature = "wgpu")]
mod on_a_device {
    use std::path::Path;

    use super::*;
    use crate::device::device;
    use crate::places::repository;
    use crate::{data_set, petrec, photos, records};

    /// The engines' features differ by 2.4e-6; see `tests/gpu.rs`.
    const REL_L2: f64 = 1e-5;

    /// Converts with a folder of its own for what is remembered of devices.
    fn convert_on_gpu(cache: &Path, dataset: &Path, out: &Path, before: &[&str], more: &[&str]) -> Run {
        let mut command = program();
        command.env("XDG_CACHE_HOME", cache).env("LOCALAPPDATA", cache).env_remove("PETREC_BACKEND");
        // Vulkan's loader and Mesa want a place of the session's own, and complain where there is none.
        command.env("XDG_RUNTIME_DIR", cache).args(before).args(["convert", "--model", "efficientnet-lite0"]);
        Run::of(command.args(more).arg(dataset).arg(out))
    }

    #[test]
    fn the_device_is_listed_and_tried() {
        let Some(device) = device() else { return };

        let run = petrec(["devices", "--json", "--device", &device.index.to_string()]).ok();

        let list: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
        let tried = &list["adapters"][0];
        assert_eq!(tried["name"], device.name);
        assert_eq!(tried["problem"], serde_json::Value::Null);
        assert!(tried["checks"][0]["error"].as_f64().is_some_and(|error| error <= REL_L2), "{list}");
        assert!(device.kind.is_hardware() || list["auto"].is_null(), "{list}");
    }

    /// 16 images in batches of 5: the last one is padded. And the same command, with the option before it: nothing to do.
    #[test]
    fn records_of_a_gpu_agree_with_those_of_the_processor_record_for_record() {
        let Some(device) = device() else { return };
        let photos = photos();
        let files: Vec<_> =
            (0..16).map(|i| (format!("{}/{i:02}.jpg", ["A", "B"][i / 8]), photos[i % photos.len()].clone())).collect();
        let dataset = data_set(&files.iter().map(|(name, photo)| (&**name, &**photo)).collect::<Vec<_>>());
        let (cache, gpu, cpu) = (temporary(), temporary(), temporary());
        let index = device.index.to_string();
        let on_gpu = ["--backend", "wgpu", "--device", &index, "--batch", "5"];

        let first = convert_on_gpu(cache.path(), dataset.path(), gpu.path(), &[], &on_gpu).ok();
        let again = convert_on_gpu(cache.path(), dataset.path(), gpu.path(), &on_gpu, &[]).ok();
        convert_on_gpu(cache.path(), dataset.path(), cpu.path(), &["--backend", "cpu"], &[]).ok();

        assert!(first.stderr.contains("first use of"), "{}", first.stderr);
        assert!(!again.stderr.contains("first use of"), "remembered: {}", again.stderr);
        assert!(first.stdout.contains(&format!("engine    wgpu, {device}")), "{}", first.stdout);
        let name = names(gpu.path()).into_iter().find(|name| name.ends_with(".tfrecord")).expect("a record file");
        let [gpu, cpu] = [gpu, cpu].map(|out| records(&out.path().join(&name)));
        assert_eq!((gpu.len(), cpu.len()), (16, 16));
        for (ours, truth) in gpu.iter().zip(&cpu) {
            assert_eq!(ours.integers("Label"), truth.integers("Label"));
            let [ours, truth] = [ours, truth].map(|record| record.floats("Feature").expect("features"));
            let square = |difference: f32| f64::from(difference).powi(2);
            let error: f64 = ours.iter().zip(truth).map(|(a, b)| square(a - b)).sum();
            let rel_l2 = (error / truth.iter().copied().map(square).sum::<f64>()).sqrt();
            assert!(rel_l2 <= REL_L2, "{rel_l2:e}");
        }
    }

    #[test]
    fn a_batch_that_the_device_cannot_do_is_halved() {
        let Some(device) = device() else { return };
        // The largest map of Lite0 is 112 x 112 x 96 values of four bytes.
        let has_room = |batch: u64| batch * 112 * 112 * 96 * 4 <= device.max_binding;
        let dataset = data_set(&[("A/1.jpg", "Cat/chelsea.jpg"), ("B/1.jpg", "Cat/chelsea.jpg")]);
        let (cache, out) = (temporary(), temporary());
        let index = device.index.to_string();

        let run = convert_on_gpu(cache.path(), dataset.path(), out.path(), &[], &["--device", &index, "--batch", "64"]);

        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert!(has_room(64) || run.stderr.contains("fails with batches of 64"), "{}", run.stderr);
        assert!(has_room(64) || run.stderr.contains("trying 32"), "{}", run.stderr);
    }

    /// A device that is destroyed under Burn's feet, as by a driver's reset.
    #[test]
    fn what_was_done_before_the_device_was_lost_stays_and_another_engine_goes_on() {
        let Some(device) = device() else { return };
        let index = device.index.to_string();
        let (cache, of_processor) = (temporary(), temporary());
        let photos = repository("examples/photos");
        let of_five = ["--pool", "avg", "--shards", "5"];
        convert_on_gpu(cache.path(), &photos, of_processor.path(), &["--backend", "cpu"], &of_five).ok();
        for at in [1, 3, 7] {
            let out = temporary();
            let mut command = program();
            command.env("PETREC_LOSE_DEVICE_AT", at.to_string()).env("XDG_RUNTIME_DIR", cache.path());
            command.env("XDG_CACHE_HOME", cache.path()).env("LOCALAPPDATA", cache.path()).args(["--backend", "wgpu"]);
            command
                .args(["--device", &index, "--batch", "1", "convert", "--model", "efficientnet-lite0"])
                .args(of_five);
            let lost = Run::of(command.arg(&photos).arg(out.path()));

            lost.refused(1, &[&device.name, "failed: the device was lost", "--backend cpu"]);
            let left = names(out.path());
            let done = left.iter().filter(|name| name.ends_with(".tfrecord")).count();
            assert!(left.iter().all(|name| !name.ends_with(".partial")), "{left:?}");
            assert_eq!(left.iter().any(|name| name == ".petrec-journal"), done > 0, "{left:?}");
            assert!(if at > 5 { (1..5).contains(&done) } else { done == 0 }, "{at}: {left:?}");

            let on = convert_on_gpu(cache.path(), &photos, out.path(), &["--backend", "cpu"], &of_five).ok();

            assert_eq!(on.stdout.contains("were converted by an earlier run"), done > 0, "{}", on.stdout);
            assert_eq!(names(out.path()), names(of_processor.path()));
            petrec(["verify".as_ref(), out.path().as_os_str()]).ok();
        }
    }

    #[test]
    fn a_batch_larger_than_the_data_set_is_padded() {
        let Some(device) = device() else { return };
        let dataset = data_set(&[("A/1.jpg", "Cat/chelsea.jpg"), ("B/2.jpg", "Coffee/coffee.jpg")]);
        let (cache, out) = (temporary(), temporary());
        let index = device.index.to_string();

        let options = ["--device", &index, "--batch", "3", "--pool", "avg"];
        convert_on_gpu(cache.path(), dataset.path(), out.path(), &[], &options).ok();

        let name = names(out.path()).into_iter().find(|name| name.ends_with(".tfrecord")).expect("a record file");
        assert_eq!(records(&out.path().join(name)).len(), 2);
    }
}
