//! The latch on a real disk: trips, resets, power cuts and damaged files.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn record() -> Record {
    Record { frames: 900, slates: 3, units: 880, restarts: 1, ..Record::new(Fault::Latched, 1_800_000_000, Micros(5)) }
}

fn open(folder: &tempfile::TempDir, start: Start) -> (Latch, Found) {
    Latch::open(folder.path(), start).expect("a folder that can hold it")
}

/// The names in the folder, sorted.
fn names(folder: &tempfile::TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).expect("read").flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_look_changes_nothing() {
    let folder = folder();
    assert_eq!(Latch::look(folder.path()).expect("it can hold one"), None);
    open(&folder, Start::FromRest).0.trip(record()).expect("latched");
    fs::write(folder.path().join(RESET), b"").expect("a reset");
    assert_eq!(Latch::look(folder.path()).expect("it can hold one"), Some(Some(record())));
    assert_eq!(names(&folder), [RESET, TRIPPED]);
    fs::write(folder.path().join(TRIPPED), b"{").expect("cut short");
    assert_eq!(Latch::look(folder.path()).expect("it can hold one"), Some(None));
    assert!(Latch::look(&folder.path().join("nowhere")).is_err());
}

#[test]
fn a_trip_is_found_again_and_the_first_stays() {
    let folder = folder();
    let (mut latch, found) = open(&folder, Start::FromRest);
    assert_eq!((latch.tripped(), found), (false, Found::Clear));
    latch.trip(record()).expect("latched");
    latch.trip(Record::new(Fault::SeamBroken, 0, Micros(0))).expect("latched before");
    for start in [Start::Again, Start::FromRest, Start::FromRest] {
        let (latch, found) = open(&folder, start);
        assert_eq!((latch.tripped(), found, latch.record()), (true, Found::Tripped, Some(&record())));
    }
    assert_eq!(names(&folder), [TRIPPED]);
}

#[test]
fn a_power_cut_at_any_byte_leaves_it_latched() {
    let folder = folder();
    open(&folder, Start::FromRest).0.trip(record()).expect("latched");
    let path = folder.path().join(TRIPPED);
    let whole = fs::read(&path).expect("read");
    for length in 0..=whole.len() {
        fs::write(&path, &whole[..length]).expect("cut");
        let (latch, found) = open(&folder, Start::FromRest);
        assert_eq!((latch.tripped(), found), (true, Found::Tripped), "{length} bytes");
        // The last byte is a line end.
        assert_eq!(latch.record().is_some(), length + 1 >= whole.len(), "{length} bytes");
    }
    // Space that was reserved, but never written.
    fs::write(&path, vec![0; whole.len()]).expect("written");
    assert!(open(&folder, Start::Again).0.tripped());
}

#[test]
fn a_reset_works_once_and_keeps_the_record() {
    let folder = folder();
    open(&folder, Start::FromRest).0.trip(record()).expect("latched");
    File::create(folder.path().join(RESET)).expect("touched");
    let (mut latch, found) = open(&folder, Start::FromRest);
    assert_eq!((latch.tripped(), found, latch.record()), (false, Found::Reset(Some(record())), None));
    assert_eq!(names(&folder), [LAST]);
    latch.trip(record()).expect("latched anew");
    assert_eq!(open(&folder, Start::FromRest).1, Found::Tripped);
}

#[test]
fn a_power_cut_within_a_reset_leaves_it_latched_or_forgotten_and_the_reset_used_up() {
    let folder = folder();
    let (mut latch, _) = open(&folder, Start::FromRest);
    latch.trip(record()).expect("latched");
    File::create(folder.path().join(RESET)).expect("touched");
    latch.use_up().expect("removed");
    // Here the power goes.
    assert_eq!(open(&folder, Start::FromRest).1, Found::Tripped);
    latch.forget().expect("renamed");
    // And here.
    assert_eq!(open(&folder, Start::FromRest).1, Found::Clear);
}

#[test]
fn a_reset_in_flight_does_nothing_until_the_service_has_rested() {
    let (folder, runtime) = (folder(), folder());
    assert_eq!(Start::tell(runtime.path()), Start::FromRest);
    let (mut latch, _) = open(&folder, Start::FromRest);
    latch.trip(record()).expect("latched");
    File::create(folder.path().join(RESET)).expect("touched");
    assert!(latch.tripped(), "this run looks no more");
    // It crashes and is started again.
    assert_eq!(Start::tell(runtime.path()), Start::Again);
    let (latch, found) = open(&folder, Start::Again);
    assert_eq!((latch.tripped(), found), (true, Found::ResetInFlight));
    assert_eq!(names(&folder), [RESET, TRIPPED]);
    // It is stopped and started on the ground.
    drop(runtime);
    assert_eq!(Start::tell(tempfile::tempdir().expect("a folder").path()), Start::FromRest);
    assert!(!open(&folder, Start::FromRest).0.tripped());
}

#[test]
fn a_runtime_folder_that_is_missing_never_counts_as_rest() {
    assert_eq!(Start::tell(Path::new("/no/such/folder")), Start::Again);
}

#[test]
fn a_reset_that_lies_about_forgives_no_trip_to_come() {
    for start in [Start::FromRest, Start::Again] {
        let folder = folder();
        File::create(folder.path().join(RESET)).expect("touched");
        assert_eq!(open(&folder, start).1, Found::ResetForNothing);
        open(&folder, start).0.trip(record()).expect("latched");
        assert_eq!(open(&folder, Start::FromRest).1, Found::Tripped);
    }
}

#[test]
fn a_reset_that_cannot_be_used_up_resets_nothing() {
    let folder = folder();
    open(&folder, Start::FromRest).0.trip(record()).expect("latched");
    fs::create_dir(folder.path().join(RESET)).expect("a folder of that name");
    let (latch, found) = open(&folder, Start::FromRest);
    assert!(latch.tripped() && matches!(found, Found::ResetFailed(_)), "{found:?}");
}

#[test]
fn whatever_bears_the_name_latches() {
    let make: [fn(&Path); 4] = [
        |path| fs::create_dir(path).expect("a folder"),
        |path| std::os::unix::fs::symlink("/nowhere", path).expect("a dangling link"),
        |path| fs::write(path, vec![b'x'; 1 << 20]).expect("a large file"),
        |path| drop(std::os::unix::net::UnixListener::bind(path).expect("a socket")),
    ];
    for (index, make) in make.iter().enumerate() {
        let folder = folder();
        make(&folder.path().join(TRIPPED));
        let (latch, found) = open(&folder, Start::FromRest);
        assert_eq!((latch.tripped(), found, latch.record()), (true, Found::Tripped, None), "{index}");
    }
}

#[test]
fn a_folder_that_cannot_hold_it_refuses_the_start() {
    for path in ["/no/such/folder", "/proc"] {
        let line = Latch::open(Path::new(path), Start::FromRest).expect_err("refused").to_string();
        assert!(line.starts_with(path) && line.contains("could not be latched"), "{line}");
    }
}

#[test]
fn a_trip_that_cannot_be_written_still_holds_in_this_run() {
    let folder = folder();
    let (mut latch, _) = open(&folder, Start::FromRest);
    fs::remove_dir(folder.path()).expect("gone");
    latch.trip(record()).expect_err("nowhere to write");
    assert!(latch.tripped());
    fs::create_dir(folder.path()).expect("back, for the folder's own clearing");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).expect("ours");
}
