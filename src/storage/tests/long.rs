//! Jobs that take long, on a disk with links, hidden parts and second names.

use super::*;
use ftp_proto::event::{Course, Done, Job, LongJob};
use std::sync::Arc;

fn perform(world: &World, job: LongJob, course: &Arc<Course>) -> Done {
    Job::Long(Arc::new(world.storage.clone()), job, Arc::clone(course)).perform()
}

fn change(world: &World, job: LongJob) -> Result<(), StorageError> {
    match perform(world, job, &Arc::default()) {
        Done::Changed(result) => result,
        Done::Combined(result) => result.map(|kept| assert_eq!(kept, 0)),
        other => panic!("{other:?}"),
    }
}

fn measure(world: &World, name: &str) -> Result<u64, StorageError> {
    match perform(world, LongJob::Measure(path(name)), &Arc::default()) {
        Done::Measured(result) => result,
        other => panic!("{other:?}"),
    }
}

fn copy(from: &str, to: &str, overwrite: bool) -> LongJob {
    LongJob::Copy { from: path(from), to: path(to), overwrite }
}

fn combine(target: &str, parts: &[&str]) -> LongJob {
    LongJob::Combine { target: path(target), parts: parts.iter().map(path).collect() }
}

fn folders(world: &World, names: &[&str]) {
    names.iter().for_each(|name| std::fs::create_dir_all(world.at(name)).unwrap());
}

#[test]
fn a_tree_goes_with_its_links_and_not_with_what_they_lead_to() {
    both(|world| {
        folders(&world, &["d/e/f", "d/empty", "kept"]);
        for name in ["d/a", "d/e/b", "d/e/f/c", "kept/k", "d/.hidden", "d/e/.ftpd-part-0123456789abcdef"] {
            world.write(name, b"1");
        }
        world.link("../kept", "d/to-kept");
        world.link("../kept/k", "d/e/to-k");
        world.link("../../outside", "d/to-outside");
        world.link("..", "d/e/up");
        world.link("nowhere", "d/dangling");
        change(&world, LongJob::RemoveTree(path("d"))).unwrap();
        assert!(!world.at("d").exists());
        assert_eq!(world.read("kept/k"), b"1");
        world.assert_outside_untouched();
    });
}

#[test]
fn a_link_to_a_directory_is_no_tree_to_remove() {
    both(|world| {
        folders(&world, &["kept"]);
        world.write("kept/k", b"1");
        world.link("kept", "link");
        assert_eq!(change(&world, LongJob::RemoveTree(path("link"))), Err(StorageError::NotADirectory));
        assert_eq!(world.read("kept/k"), b"1");
        assert_eq!(change(&world, LongJob::RemoveTree(path("kept/k"))), Err(StorageError::NotADirectory));
        assert_eq!(change(&world, LongJob::RemoveTree(path("nothing"))), Err(StorageError::NotFound));
    });
}

#[test]
fn circles_of_links_are_counted_once() {
    both(|world| {
        folders(&world, &["d/e"]);
        world.write("d/a", &[b'x'; 1000]);
        world.write("d/e/b", &[b'x'; 234]);
        world.link("..", "d/e/up");
        world.link("e", "d/again");
        world.link("../../outside", "d/out");
        assert_eq!(measure(&world, "d"), Ok(1234));
        assert_eq!(measure(&world, "d/a"), Ok(1000));
        assert_eq!(measure(&world, "nothing"), Err(StorageError::NotFound));
    });
}

/// What is still to be read is remembered by its whole path.
#[test]
fn long_paths_to_many_directories_are_too_much_to_count() {
    both(|world| {
        let long = "x".repeat(250);
        let deep = ["d"].into_iter().chain([long.as_str(); 14]).collect::<Vec<_>>().join("/");
        folders(&world, &[&deep]);
        for number in 0..4_500 {
            std::fs::create_dir(world.at(format!("{deep}/{number:0>250}"))).unwrap();
        }
        assert_eq!(measure(&world, "d"), Err(StorageError::Unsupported));
    });
}

#[test]
fn a_count_of_empty_directories_can_be_stopped() {
    both(|world| {
        folders(&world, &["d"]);
        let course = Arc::<Course>::default();
        course.stop();
        let done = perform(&world, LongJob::Measure(path("d")), &course);
        assert!(matches!(done, Done::Measured(Err(StorageError::Interrupted))), "{done:?}");
    });
}

#[test]
fn a_copy_has_every_byte_and_replaces_only_what_may_be() {
    both(|world| {
        let content: Vec<u8> =
            (0..3_000_001u32).map(|number| number.to_le_bytes()[(number % 3) as usize]).collect();
        world.write("a", &content);
        world.write("b", b"old");
        world.write("none", b"");
        folders(&world, &["d"]);
        assert_eq!(change(&world, copy("a", "b", false)), Err(StorageError::AlreadyExists));
        assert_eq!(world.read("b"), b"old");
        change(&world, copy("a", "b", true)).unwrap();
        change(&world, copy("a", "d/c", false)).unwrap();
        change(&world, copy("none", "nothing", false)).unwrap();
        assert!(world.read("b") == content && world.read("d/c") == content && world.read("a") == content);
        assert_eq!(world.read("nothing"), b"");
        assert_eq!(change(&world, copy("d", "x", true)), Err(StorageError::IsADirectory));
        assert_eq!(change(&world, copy("a", "d", true)), Err(StorageError::IsADirectory));
        assert!(world.parts(".").is_empty() && world.parts("d").is_empty());
    });
}

#[test]
fn a_file_is_not_copied_over_itself_by_any_name() {
    both_direct(|world| {
        world.write("a", b"content");
        std::fs::hard_link(world.at("a"), world.at("second")).unwrap();
        world.link("a", "link");
        for name in ["a", "second", "link"] {
            assert_eq!(change(&world, copy("a", name, true)), Err(StorageError::BadName), "{name}");
            assert_eq!(change(&world, combine(name, &["a"])), Err(StorageError::BadName), "{name}");
        }
        assert_eq!(world.read("a"), b"content");
    });
}

#[test]
fn a_copy_that_is_stopped_leaves_nothing() {
    both(|world| {
        world.write("a", &vec![b'x'; 1 << 20]);
        world.write("b", b"old");
        let course = Arc::new(Course::default());
        course.stop();
        let done = perform(&world, copy("a", "b", true), &course);
        assert!(matches!(done, Done::Changed(Err(StorageError::Interrupted))), "{done:?}");
        assert_eq!(world.read("b"), b"old");
        assert!(world.parts(".").is_empty(), "a part stays");
    });
}

#[test]
fn nothing_outside_is_copied_or_put_together() {
    both(|world| {
        world.link("../outside/secret", "link");
        world.write("a", b"1");
        for job in [copy("link", "x", true), combine("x", &["link"]), combine("x", &["a", "link"])] {
            change(&world, job).unwrap_err();
            assert!(!world.at("x").exists());
        }
        assert_eq!(world.read("a"), b"1");
        world.assert_outside_untouched();
    });
}

#[test]
fn parts_are_put_together_and_go() {
    let test = |world: World| {
        world.write("p1", b"one");
        world.write("p2", b"two");
        world.write("p3", b"three");
        change(&world, combine("whole", &["p1", "p2"])).unwrap();
        assert_eq!(world.read("whole"), b"onetwo");
        assert!(!world.at("p1").exists() && !world.at("p2").exists());
        change(&world, combine("whole", &["p3"])).unwrap();
        assert_eq!(world.read("whole"), b"onetwothree");
        assert!(world.parts(".").is_empty());
    };
    both(test);
    both_direct(test);
}

#[test]
fn what_could_not_be_put_together_is_as_it_was() {
    let test = |world: World| {
        world.write("whole", b"start");
        world.write("p1", b"one");
        let course = Arc::new(Course::default());
        course.stop();
        for (job, error) in [
            (combine("whole", &["p1", "nothing"]), StorageError::NotFound),
            (combine("nowhere/whole", &["p1"]), StorageError::NotFound),
        ] {
            assert_eq!(change(&world, job), Err(error));
        }
        let done = perform(&world, combine("whole", &["p1"]), &course);
        assert!(matches!(done, Done::Combined(Err(StorageError::Interrupted))), "{done:?}");
        assert_eq!((world.read("whole"), world.read("p1")), (b"start".to_vec(), b"one".to_vec()));
    };
    both(test);
    both_direct(test);
}

#[test]
fn the_space_that_is_left_is_the_systems() {
    both(|world| {
        folders(&world, &["d"]);
        let system = rustix::fs::statvfs(world.at("d")).unwrap();
        let total = system.f_blocks * system.f_frsize;
        let left = world.storage.available(&path("d")).unwrap();
        assert!(left > 0 && left <= total, "{left} of {total}");
        assert_eq!(world.storage.available(&path("nothing")), Err(StorageError::NotFound));
    });
}
