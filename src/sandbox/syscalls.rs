//! The system calls that each side may make once it has given up the rest: a table, one reason a line.
//!
//! What is not listed ends the process with SIGSYS. Rows that bind arguments let only those through. A few calls are
//! answered with an error instead, where a library asks, is content with a no, and would otherwise die in flight.
//! `tests/sandbox` takes out each row in turn and shows that the side dies without it.

use libc::{EACCES, ENOSYS, EPERM, c_long};

use super::Side;

/// What an argument must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Only {
    /// Anything: no condition.
    Any,
    /// The lower 32 bits of argument `.0` (from 0) are `.1`; for arguments that the kernel takes as 32 bits.
    Is(u8, u32),
    /// Of argument `.0`, the bits under the mask `.1` are exactly `.2`.
    Bits(u8, u64, u64),
}

/// What the kernel does with a listed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Lets it through, if both conditions hold.
    Allow([Only; 2]),
    /// Answers with this error number; the process lives.
    Refuse(i32),
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Unique in a side's table: the call, and the argument where that is bound.
    pub name: &'static str,
    /// The call's number on this processor.
    pub number: c_long,
    /// What happens.
    pub verdict: Verdict,
    /// Why the side needs it.
    pub why: &'static str,
}

const fn row(name: &'static str, number: c_long, why: &'static str) -> Row {
    Row { name, number, verdict: Verdict::Allow([Only::Any; 2]), why }
}

const fn only(name: &'static str, number: c_long, only: [Only; 2], why: &'static str) -> Row {
    Row { name, number, verdict: Verdict::Allow(only), why }
}

const fn refuse(name: &'static str, number: c_long, errno: i32, why: &'static str) -> Row {
    Row { name, number, verdict: Verdict::Refuse(errno), why }
}

/// A device request, by the number that `_IOC` gives it on every 64-bit processor (direction, size, letter, number).
const fn ioctl(name: &'static str, request: u32, why: &'static str) -> Row {
    only(name, libc::SYS_ioctl, [Only::Is(1, request), Only::Any], why)
}

/// Argument `arg` is `value`.
const fn is(arg: u8, value: i32) -> [Only; 2] {
    [Only::Is(arg, value.cast_unsigned()), Only::Any]
}

/// Flags of C's `int`, none of which is the sign.
const fn bits(flags: i32) -> u64 {
    flags.cast_unsigned() as u64
}

/// Nothing that can be run may be mapped, whatever else the third argument asks.
const NO_EXEC: [Only; 2] = [Only::Bits(2, bits(libc::PROT_EXEC), 0), Only::Any];
/// A thread of this process in the namespaces it has.
const THREAD: [Only; 2] = [Only::Bits(0, THREAD_FLAGS | NAMESPACE_FLAGS, THREAD_FLAGS), Only::Any];
const THREAD_FLAGS: u64 = bits(libc::CLONE_THREAD | libc::CLONE_VM | libc::CLONE_SIGHAND);
const NAMESPACE_FLAGS: u64 = bits(
    libc::CLONE_NEWUSER
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP,
);

/// The signal by which glibc tells all threads of a change of user: the second of the real-time ones, in glibc's
/// internal-signals.h.
const SIGSETXID: i32 = 33;
/// Datagrams over IPv4 and IPv6; flags that glibc adds to the type lie outside the mask.
const DATAGRAMS_4: [Only; 2] = [Only::Is(0, libc::AF_INET.cast_unsigned()), DATAGRAM];
const DATAGRAMS_6: [Only; 2] = [Only::Is(0, libc::AF_INET6.cast_unsigned()), DATAGRAM];
const DATAGRAM: Only = Only::Bits(1, 0xf, bits(libc::SOCK_DGRAM));
const SOCKET_LEVEL: Only = Only::Is(1, libc::SOL_SOCKET.cast_unsigned());

/// Both sides.
const BOTH: &[Row] = &[
    // What the sides are for.
    row("read", libc::SYS_read, "frames of a pipe camera, messages of the other side"),
    row("write", libc::SYS_write, "access units and health into the pipe, log lines, watchdog"),
    row("close", libc::SYS_close, "a camera, a client or a file that has ended"),
    row("ppoll", libc::SYS_ppoll, "waits for a camera, a pipe or a client"),
    row("clock_nanosleep", libc::SYS_clock_nanosleep, "the pace of frames and packets"),
    row(
        "clock_gettime",
        libc::SYS_clock_gettime,
        "the time, where the vDSO cannot read the machine's clock (qemu, some boards)",
    ),
    row("exit_group", libc::SYS_exit_group, "a clean end"),
    // Threads and their queues.
    only("clone", libc::SYS_clone, THREAD, "worker threads; never a process, never a namespace"),
    refuse("clone3", libc::SYS_clone3, ENOSYS, "glibc asks first; its flags lie in memory, where a filter cannot look"),
    row("futex", libc::SYS_futex, "locks and queues between threads"),
    row("sched_yield", libc::SYS_sched_yield, "worker threads that look for work"),
    row("sched_getaffinity", libc::SYS_sched_getaffinity, "a thread's start, and how many workers to start"),
    row("rt_sigprocmask", libc::SYS_rt_sigprocmask, "a thread's start and end, with signals held back"),
    only(
        "rt_sigaction SIGSETXID",
        libc::SYS_rt_sigaction,
        is(0, SIGSETXID),
        "glibc's own signal, at the first thread's start",
    ),
    row("sigaltstack", libc::SYS_sigaltstack, "a thread's stack for the overflow signal"),
    row("set_robust_list", libc::SYS_set_robust_list, "a thread's start in glibc"),
    row("rseq", libc::SYS_rseq, "a thread's start in glibc 2.35 or newer"),
    only("prctl PR_SET_NAME", libc::SYS_prctl, is(0, libc::PR_SET_NAME), "a thread's name in the process list"),
    row("gettid", libc::SYS_gettid, "the thread's number in Rust's panic message"),
    row("exit", libc::SYS_exit, "a thread's end"),
    row("rt_sigreturn", libc::SYS_rt_sigreturn, "the way back from SIGTERM's flag"),
    row("restart_syscall", libc::SYS_restart_syscall, "a wait goes on after SIGSTOP and SIGCONT"),
    // Memory.
    only("mmap", libc::SYS_mmap, NO_EXEC, "memory, thread stacks, camera buffers; nothing that can be run"),
    only("mprotect", libc::SYS_mprotect, NO_EXEC, "the allocator grows a heap, a stack gets its end page"),
    row("munmap", libc::SYS_munmap, "memory goes back"),
    row("mremap", libc::SYS_mremap, "a large buffer grows in place"),
    row("brk", libc::SYS_brk, "the allocator's first heap"),
    only(
        "madvise MADV_DONTNEED",
        libc::SYS_madvise,
        is(2, libc::MADV_DONTNEED),
        "the allocator and ended threads give pages back",
    ),
    row("getrandom", libc::SYS_getrandom, "the seed of a hash map"),
];

/// The dark side, beside [`BOTH`].
const DARK: &[Row] = &[
    ioctl("ioctl VIDIOC_QBUF", 0xc058_560f, "an empty buffer to the camera, a picture to the hardware encoder"),
    ioctl("ioctl VIDIOC_DQBUF", 0xc058_5611, "a frame from the camera, a unit from the hardware encoder"),
    ioctl("ioctl VIDIOC_STREAMON", 0x4004_5612, "a stalled device is started again"),
    ioctl("ioctl VIDIOC_STREAMOFF", 0x4004_5613, "a stalled device is stopped first"),
    ioctl("ioctl VIDIOC_S_EXT_CTRLS", 0xc020_5648, "key frame and bitrate of the hardware encoder"),
    ioctl("ioctl VIDIOC_DQEVENT", 0x8088_5659, "the device's word on a change of source or the end of its stream"),
    only(
        "madvise MADV_DONTDUMP",
        libc::SYS_madvise,
        is(2, libc::MADV_DONTDUMP),
        "frame pools are left out of dumps as they are made",
    ),
    row("mlock", libc::SYS_mlock, "frame pools are kept in RAM as they are made"),
    ioctl("ioctl GPIO_V2_LINE_GET_VALUES", 0xc010_b40e, "the cover switch"),
    #[cfg(target_arch = "x86_64")]
    row(
        "gettimeofday",
        libc::SYS_gettimeofday,
        "openh264's own time, where the vDSO cannot read the machine's clock; x86-64 only",
    ),
    row("wait4", libc::SYS_wait4, "how a pipe camera's program ended"),
    refuse("kill", libc::SYS_kill, EPERM, "a pipe camera's end tries to; the supervisor ends the program instead"),
    refuse("openat", libc::SYS_openat, EACCES, "glibc asks for overcommit_memory and the processors; no is an answer"),
];

/// The lit side, beside [`BOTH`].
const LIT: &[Row] = &[
    row("sendto", libc::SYS_sendto, "packets to the radio, state to systemd; sockets that are open already"),
    row("recvfrom", libc::SYS_recvfrom, "receiver reports"),
    row("accept4", libc::SYS_accept4, "a reader of the metrics, a viewer; listeners that are open already"),
    only(
        "setsockopt SO_RCVTIMEO",
        libc::SYS_setsockopt,
        [SOCKET_LEVEL, Only::Is(2, libc::SO_RCVTIMEO.cast_unsigned())],
        "a silent client is let go",
    ),
    only(
        "setsockopt SO_SNDTIMEO",
        libc::SYS_setsockopt,
        [SOCKET_LEVEL, Only::Is(2, libc::SO_SNDTIMEO.cast_unsigned())],
        "a client that does not read is let go",
    ),
    only("socket AF_INET", libc::SYS_socket, DATAGRAMS_4, "the radio's sockets, again after an interface was down"),
    only("socket AF_INET6", libc::SYS_socket, DATAGRAMS_6, "the same over IPv6"),
    row("bind", libc::SYS_bind, "a datagram socket's own end"),
    row("connect", libc::SYS_connect, "a datagram socket's other end, so that nobody else is heard"),
    only("setsockopt IPPROTO_IP", libc::SYS_setsockopt, is(1, libc::IPPROTO_IP), "traffic class and hops of packets"),
    only("setsockopt IPPROTO_IPV6", libc::SYS_setsockopt, is(1, libc::IPPROTO_IPV6), "the same over IPv6"),
    ioctl("ioctl SIOCGIFINDEX", 0x8933, "the interface that a multicast stream leaves by"),
    ioctl("ioctl FIONBIO", 0x5421, "sockets that never hold up the stream"),
    row("shutdown", libc::SYS_shutdown, "a reader of the metrics is told that the page is whole"),
    row("fchmod", libc::SYS_fchmod, "everybody may read health.json and the session description"),
    row("openat", libc::SYS_openat, "health.json is written anew; Landlock says where"),
    #[cfg(target_arch = "x86_64")]
    row("rename", libc::SYS_rename, "health.json is replaced in one step; x86-64 only"),
    #[cfg(target_arch = "aarch64")]
    row("renameat", libc::SYS_renameat, "health.json is replaced in one step; aarch64 has no rename"),
    ioctl("ioctl GPIO_V2_LINE_SET_VALUES", 0xc010_b40f, "the heartbeat and the LED"),
    ioctl("ioctl WDIOC_KEEPALIVE", 0x8004_5705, "the hardware watchdog"),
];

/// Every row of a side.
pub fn rows(side: Side) -> impl Iterator<Item = &'static Row> + Clone {
    let own = match side {
        Side::Dark => DARK,
        Side::Lit => LIT,
    };
    BOTH.iter().chain(own)
}
