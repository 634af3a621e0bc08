//! The metrics over a real socket: good clients, slow ones and hostile ones.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::health::Build;

/// Far longer than anything here may take, so that a test which hangs fails instead.
const PATIENCE: Duration = Duration::from_secs(20);

fn open() -> (tempfile::TempDir, PathBuf, Metrics) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("metrics.sock");
    let mut metrics = Metrics::open(&path).expect("opened");
    metrics.serve().expect("started");
    assert!(metrics.offer(&Snapshot::starting(Build::default()), Micros(0)));
    (folder, path, metrics)
}

fn connect(path: &Path) -> UnixStream {
    let client = UnixStream::connect(path).expect("connected");
    client.set_read_timeout(Some(PATIENCE)).expect("set");
    client
}

fn ask(path: &Path, request: &[u8]) -> String {
    let mut client = connect(path);
    // It may be answered before all of it was sent.
    let _ = client.write_all(request);
    let mut text = String::new();
    // A reset after an answer that was cut off ends it as well.
    let _ = client.read_to_string(&mut text);
    text
}

const GET: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: voile\r\nUser-Agent: test\r\n\r\n";

#[test]
fn a_client_gets_the_newest_page() {
    let (_folder, path, mut metrics) = open();
    let mut snapshot = Snapshot::starting(Build::default());
    snapshot.frames = 77;
    assert!(!metrics.offer(&snapshot, Micros(999_999)), "once a second");
    // The thread may be copying at the very moment.
    assert!((0..1000).any(|step| metrics.offer(&snapshot, Micros(1_000_000 + step))));
    let text = ask(&path, GET);
    assert!(text.starts_with("HTTP/1.0 200 OK\r\n") && text.contains("\nvoile_frames_total 77\n"), "{text}");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o660);
}

#[test]
fn what_is_no_request_for_the_page_is_told_so() {
    let (_folder, path, _metrics) = open();
    let status = |request: &[u8]| ask(&path, request).split(' ').nth(1).unwrap_or_default().to_owned();
    assert_eq!(status(b"GET /metrics?x=1 HTTP/1.0\n\n"), "200");
    assert_eq!(status(b"GET / HTTP/1.1\r\n\r\n"), "404");
    assert_eq!(status(b"POST /metrics HTTP/1.1\r\n\r\n"), "405");
    assert_eq!(status(b"hello\r\n\r\n"), "400");
    assert_eq!(status(b"\xff\xfe\r\n\r\n"), "400");
    assert_eq!(status(b"GET /metrics HTTP/1.1\r\n"), "400", "never ended");
    assert_eq!(status(b""), "400", "silent");
}

#[test]
fn before_the_first_snapshot_there_is_nothing_to_show() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("metrics.sock");
    let mut metrics = Metrics::open(&path).expect("opened");
    metrics.serve().expect("started");
    assert!(ask(&path, GET).starts_with("HTTP/1.0 503 "));
}

#[test]
fn endless_slow_and_deaf_clients_do_not_keep_others_out() {
    let (_folder, path, mut metrics) = open();
    assert!(!ask(&path, &[b'x'; 1 << 20]).contains("200 OK"), "endless");
    let mut slow = connect(&path);
    slow.write_all(b"G").expect("sent");
    let deaf: Vec<_> = (0..3).map(|_| connect(&path)).collect();
    for client in &deaf {
        let mut client = client;
        client.write_all(GET).expect("sent");
    }
    assert!(ask(&path, GET).contains("200 OK"), "behind all of them");
    assert!(metrics.offer(&Snapshot::starting(Build::default()), EVERY), "and the lit side never waited");
}

#[test]
fn a_client_that_drips_is_cut_off_after_its_waits() {
    let (_folder, path, _metrics) = open();
    let mut drip = connect(&path);
    // One byte each, as long as they are taken; far fewer than a whole request are.
    let mut sent = 0;
    while sent < 1000 && drip.write_all(b"G").is_ok() {
        sent += 1;
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(sent < 1000, "{sent} bytes were taken");
}

#[test]
fn dropping_it_ends_the_thread_even_while_a_client_is_served() {
    let (_folder, path, metrics) = open();
    let mut slow = connect(&path);
    slow.write_all(b"GET ").expect("sent");
    drop(metrics);
    UnixStream::connect(&path).expect_err("nobody listens");
}

#[test]
fn a_stale_socket_is_replaced_a_living_one_and_a_file_are_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("metrics.sock");
    drop(UnixListener::bind(&path).expect("bound"));
    let _metrics = Metrics::open(&path).expect("the stale one is replaced");
    let line = Metrics::open(&path).expect_err("it is in use").to_string();
    assert!(line.contains("metrics.sock") && line.contains("stop the other voile"), "{line}");
    let file = folder.path().join("file");
    fs::write(&file, b"mine").expect("written");
    Metrics::open(&file).expect_err("a file");
    assert_eq!(fs::read(&file).expect("read"), b"mine");
}

proptest! {
    #[test]
    fn no_request_breaks_the_reader(request in prop::collection::vec(any::<u8>(), 0..300)) {
        let known = answer(&request);
        prop_assert!(known != Answer::Page || request.starts_with(b"GET /metrics"));
    }
}
