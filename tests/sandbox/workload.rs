//! What a side does in flight, in small: every row of its table is used by one line of this.
//!
//! Device requests go to a pipe, which answers ENOTTY: that shows that the list lets them through, and a virtual
//! machine with vivid and gpio-sim has to show that the devices need them.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::catch_unwind;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::sockopt;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use voile::base::{FramePool, Layout, Micros, Shape, Size};
use voile::sandbox::{self, Side, Verdict, rows};

use crate::child;

/// The line with which a child asks to be stopped, continued and woken.
pub const STOP_ME: &str = "stop me";

/// In the child: opens what the side needs, enters, and works.
pub fn inside(side: Side, folder: &Path, left_out: &str) -> ExitCode {
    let isolated = sandbox::isolate(side, &[]).unwrap();
    on_sigterm();
    let (reader, _writer) = std::io::pipe().unwrap();
    let device = OwnedFd::from(reader);
    let mut lit = (side == Side::Lit).then(|| Open::new(folder));
    let mut camera = (side == Side::Dark).then(camera);
    sandbox::enter(isolated, &child::settings(folder, left_out)).unwrap();
    // FIONBIO is every descriptor's, so that a pipe would follow its argument; the lit side's sockets ask for it.
    for row in rows(side).filter(|row| row.number == libc::SYS_ioctl && row.name != "ioctl FIONBIO") {
        request(&device, row);
    }
    threads();
    memory();
    time();
    if let Some(camera) = &mut camera {
        dark(camera);
    }
    if let Some(open) = &mut lit {
        open.work(folder);
    }
    thread::spawn(|| {
        println!("{STOP_ME}");
        // The kind of wait that the kernel restarts by a call of its own after a stop; it ends with the process.
        thread::sleep(Duration::from_secs(60));
    });
    wait_for_input();
    println!("done");
    ExitCode::SUCCESS
}

/// Makes a device request of the table on what is no such device.
fn request(device: &OwnedFd, row: &sandbox::Row) {
    let Verdict::Allow([sandbox::Only::Is(1, request), _]) = row.verdict else { panic!("{}: unbound", row.name) };
    // SAFETY: a pipe knows none of these requests, so the null argument is never followed.
    let answer = unsafe { libc::syscall(libc::SYS_ioctl, device.as_raw_fd(), request, 0) };
    assert_eq!((answer, std::io::Error::last_os_error().raw_os_error()), (-1, Some(libc::ENOTTY)), "{}", row.name);
}

/// Workers that are named, allocate, hash, pass messages, yield and end; one panics and is caught.
fn threads() {
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}, as it should")));
    let (send, receive) = mpsc::channel();
    let workers: Vec<_> = (0..3)
        .map(|index| {
            let send = send.clone();
            let worker = move || {
                let mut counts: HashMap<usize, Vec<u8>> = HashMap::new();
                for size in 0..64 {
                    counts.insert(size, vec![1; 16 << (size % 12)]);
                    thread::yield_now();
                }
                let caught = catch_unwind(|| assert_ne!(index, 1, "a detector that fails"));
                send.send(caught.is_ok()).unwrap();
            };
            thread::Builder::new().name(format!("worker {index}")).spawn(worker).unwrap()
        })
        .collect();
    let fine = (0..3).filter(|_| receive.recv().unwrap()).count();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    assert_eq!(fine, 2);
    // What Rust's own hook says of a panic names the thread's number.
    let _ = std::panic::take_hook();
    assert!(catch_unwind(|| panic!("a message with the thread's number")).is_err());
    assert!(thread::available_parallelism().is_ok());
}

/// Small and large allocations that grow, move and go.
fn memory() {
    let small: Vec<Vec<u8>> = (0..4000).map(|size| vec![1; 64 + size % 512]).collect();
    let mut large = vec![1_u8; 1 << 20];
    large.reserve_exact(64 << 20);
    large.resize(32 << 20, 2);
    assert_eq!(usize::from(large[31 << 20]) + small.len(), 4002);
}

/// Sleeps, the clock as a system call, and a signal's flag.
fn time() {
    thread::sleep(Duration::from_millis(1));
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the second argument leads to a timespec that the kernel fills.
    let answer = unsafe { libc::syscall(libc::SYS_clock_gettime, libc::CLOCK_MONOTONIC, &raw mut now) };
    assert_eq!(answer, 0);
}

/// A handler that does nothing, as the one that sets the flag to end.
fn on_sigterm() {
    extern "C" fn noted(_signal: libc::c_int) {}
    let handler: extern "C" fn(libc::c_int) = noted;
    // SAFETY: the handler touches nothing.
    unsafe { libc::signal(libc::SIGTERM, handler as libc::sighandler_t) };
}

/// The program of a pipe camera.
fn camera() -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["child", "camera"])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Frames from a pipe into a locked pool; then the camera's end.
fn dark(camera: &mut Child) {
    let pool = FramePool::new(Shape::packed(Size::new(640, 360), Layout::I420), 2);
    let mut frame = pool.take(0, Micros(0));
    sandbox::keep_private(frame.planes_mut().0.data).unwrap();
    // More than most limits allow: it is told, and the side lives on.
    let mut large = vec![0; 64 << 20];
    if let Err(error) = sandbox::keep_private(&mut large) {
        assert!(error.to_string().contains("the limit is"), "{error}");
    }
    let mut frames = camera.stdout.take().unwrap();
    poll(&mut [PollFd::new(&frames, PollFlags::IN)], None).unwrap();
    frames.read_exact(frame.planes_mut().0.data).unwrap();
    assert_eq!(frame.luma().data[640 * 359], 128);
    #[cfg(target_arch = "x86_64")]
    {
        let mut now = libc::timeval { tv_sec: 0, tv_usec: 0 };
        // SAFETY: the first argument leads to a timeval that the kernel fills, the second to no time zone.
        let answer = unsafe { libc::syscall(libc::SYS_gettimeofday, &raw mut now, std::ptr::null::<libc::c_void>()) };
        assert_eq!(answer, 0);
    }
    // glibc counts processors at its ninth arena, from /sys unless that is refused.
    // SAFETY: no memory is passed.
    assert!(unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) } > 0);
    let program = Pid::from_child(camera);
    assert_eq!(kill_process(program, Signal::TERM), Err(rustix::io::Errno::PERM));
    drop(frames);
    assert!(waitpid(Some(program), WaitOptions::empty()).unwrap().is_some());
}

/// What the lit side has open when it enters.
struct Open {
    radio: UdpSocket,
    reports: UdpSocket,
    listening: SocketAddr,
    metrics: UnixListener,
    reader: UnixStream,
}

impl Open {
    fn new(folder: &Path) -> Self {
        let (radio, reports) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let listening = reports.local_addr().unwrap();
        radio.connect(listening).unwrap();
        let path = folder.join("metrics.sock");
        let _ = fs::remove_file(&path);
        let metrics = UnixListener::bind(&path).unwrap();
        // The kernel holds the connection until it is accepted.
        let reader = UnixStream::connect(&path).unwrap();
        Self { radio, reports, listening, metrics, reader }
    }

    /// Packets out, a report in, a reader of the metrics, and health.json replaced.
    fn work(&mut self, folder: &Path) {
        self.radio.send(b"packet").unwrap();
        assert_eq!(self.reports.recv_from(&mut [0; 16]).unwrap().0, 6);
        poll(&mut [PollFd::new(&self.metrics, PollFlags::IN)], None).unwrap();
        let (mut client, _) = self.metrics.accept().unwrap();
        client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        client.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
        client.write_all(b"voile_frames_total 1\n").unwrap();
        assert!(self.reader.read(&mut [0; 64]).unwrap() > 0);
        client.shutdown(Shutdown::Both).unwrap();
        // An interface that was down and is up again: the radio's sockets are made anew.
        let again = UdpSocket::bind("127.0.0.1:0").unwrap();
        again.connect(self.listening).unwrap();
        again.set_nonblocking(true).unwrap();
        again.set_ttl(1).unwrap();
        // Where the machine has no IPv6, asking is enough.
        let _ = UdpSocket::bind("[::1]:0");
        let _ = sockopt::set_ipv6_unicast_hops(&again, Some(1));
        fs::write(folder.join("health.new"), "{}").unwrap();
        fs::File::open(folder.join("health.new")).unwrap().set_permissions(fs::Permissions::from_mode(0o644)).unwrap();
        fs::rename(folder.join("health.new"), folder.join("health.json")).unwrap();
    }
}

/// Waits for the parent's byte, as for the other side's next message, and takes it.
fn wait_for_input() {
    let mut input = std::io::stdin();
    while let Err(error) = poll(&mut [PollFd::new(&input.as_fd(), PollFlags::IN)], None) {
        assert_eq!(error, rustix::io::Errno::INTR);
    }
    input.read_exact(&mut [0]).unwrap();
}
